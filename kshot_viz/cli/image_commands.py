"""The commands that look at a folder of your own images: ``compare``, ``inside``, ``dashboard``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from kshot_viz.cli import options as opt
from kshot_viz.cli.options import command_line


def compare(
    folder: Annotated[Path, typer.Argument(help="One folder of images per class.")],
    backbone: opt.Network = "glyphnet",
    weights: opt.Weights = "DEFAULT",
    preprocess: opt.Recipe = None,
    size: opt.Size = None,
    invert: opt.Invert = False,
    shots: opt.Shots = [1],  # noqa: B006
    way: opt.Way = None,
    query: opt.Query = 15,
    min_query: opt.MinQuery = 5,
    episodes: opt.Episodes = 20,
    val_episodes: Annotated[int, typer.Option(min=1, help="Tuning episodes per k.")] = 6,
    val_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of images kept for tuning.")
    ] = 0.4,
    source: opt.Source = None,
    groups: opt.Groups = "0.1",
    lr: Annotated[
        list[float] | None, typer.Option(help="Step sizes of the body to choose from.")
    ] = None,
    head_lr: Annotated[
        list[float] | None, typer.Option(help="Step sizes of the head to choose from.")
    ] = None,
    feature_step: Annotated[
        list[float] | None,
        typer.Option(
            help="Instead of --head-lr: step sizes of the head in units of one over the mean "
            "squared length of the network's features, such as 1 and 10."
        ),
    ] = None,
    steps: Annotated[
        list[int] | None, typer.Option(min=1, help="Step counts to choose from.")
    ] = None,
    methods: Annotated[
        list[str] | None, typer.Option("--method", help="A method by name; six by default.")
    ] = None,
    candidates: Annotated[
        list[Path] | None,
        typer.Option("--candidate", help="A file of Candidate.save, such as a search's best.json."),
    ] = None,
    tune: Annotated[
        Literal["validation", "source", "none"],
        typer.Option(help="Where settings are chosen; source needs class folders in --source."),
    ] = "validation",
    choose: Annotated[
        Literal["guarded", "best"],
        typer.Option(
            help="guarded: the smallest step size as good as the best, and none that collapsed; "
            "best: the best mean."
        ),
    ] = "guarded",
    race: Annotated[bool, typer.Option(help="Stop settings that are clearly behind.")] = True,
    budget_minutes: opt.BudgetMinutes = None,
    device: opt.Device = "auto",
    workers: opt.Workers = None,
    out: opt.Out = Path("runs/compare"),
    skip_bad: opt.SkipBad = False,
    max_pixels: opt.MaxPixels = None,
    full: opt.Full = False,
    seed: opt.Seed = 0,
) -> None:
    """Compare methods on your own images, each method at its own best settings."""
    from kshot_viz.cli.compare import CompareRequest, run_compare

    request = CompareRequest(
        folder=str(folder.absolute()),
        backbone=backbone,
        weights=opt.weights_from_text(weights),
        preprocess=preprocess,
        size=size,
        invert=invert,
        shots=tuple(dict.fromkeys(shots)),
        way=way,
        query=query,
        min_query=min_query,
        episodes=episodes,
        val_episodes=val_episodes,
        val_share=val_share,
        source=None if source is None else str(source.absolute()),
        groups=opt.groups_from_text(groups),
        grid=_grid(lr, head_lr, feature_step, steps),
        methods=tuple(methods or ()),
        candidates=tuple(str(one.absolute()) for one in candidates or ()),
        tune=None if tune == "none" else tune,
        choose=choose,
        race=race,
        budget_minutes=budget_minutes,
        device=device,
        skip_bad=skip_bad,
        max_pixels=max_pixels,
        full=full,
        seed=seed,
    )
    run_compare(request, out, workers=workers, command=command_line())


def inside(
    folder: Annotated[Path, typer.Argument(help="One folder of images per class.")],
    backbone: opt.Network = "glyphnet",
    weights: opt.Weights = "DEFAULT",
    preprocess: opt.Recipe = None,
    size: opt.Size = None,
    invert: opt.Invert = False,
    way: opt.Way = None,
    shot: Annotated[int, typer.Option(min=1, help="Images of each class to tune on.")] = 5,
    query: opt.Query = 6,
    methods: Annotated[
        list[str] | None,
        typer.Option("--method", help="A method by name; plain and grouped by default."),
    ] = None,
    lr: Annotated[float, typer.Option(min=0, help="Step size of the body.")] = 0.003,
    steps: Annotated[int, typer.Option(min=1, help="Steps of a run.")] = 20,
    graph_layer: Annotated[
        str | None, typer.Option(help="Layer of the graphs; the last by default.")
    ] = None,
    episodes: Annotated[
        int, typer.Option(min=0, help="Episodes of pretrained against random weights; 0 for none.")
    ] = 8,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("runs/inside"),
    skip_bad: opt.SkipBad = False,
    max_pixels: opt.MaxPixels = None,
    seed: opt.Seed = 0,
) -> None:
    """Write one report of what changes inside a network that is tuned on your own images."""
    from kshot_viz.cli.inside import InsideRequest, run_inside

    request = InsideRequest(
        folder=str(folder.absolute()),
        backbone=backbone,
        weights=opt.weights_from_text(weights),
        preprocess=preprocess,
        size=size,
        invert=invert,
        way=way,
        shot=shot,
        query=query,
        methods=tuple(methods or ("plain", "grouped")),
        lr=lr,
        steps=steps,
        graph_layer=graph_layer,
        episodes=episodes,
        skip_bad=skip_bad,
        max_pixels=max_pixels,
        seed=seed,
    )
    run_inside(request, out, command=command_line())


def dashboard(
    folder: Annotated[Path, typer.Argument(help="One folder of images per class.")],
    backbone: opt.Network = "glyphnet",
    weights: opt.Weights = "DEFAULT",
    preprocess: opt.Recipe = None,
    size: opt.Size = None,
    invert: opt.Invert = False,
    shots: opt.Shots = [1],  # noqa: B006
    way: opt.Way = None,
    query: opt.Query = 15,
    min_query: opt.MinQuery = 5,
    episodes: opt.Episodes = 5,
    source: opt.Source = None,
    groups: opt.Groups = "0.1",
    out: opt.Out = Path("runs/dashboard"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8866,
    skip_bad: opt.SkipBad = False,
    max_pixels: opt.MaxPixels = None,
    seed: opt.Seed = 0,
) -> None:
    """Serve the dashboards of your own images as a page, to this machine only."""
    from kshot_viz.cli.requests import TaskRequest
    from kshot_viz.cli.servers import run_dashboard

    request = TaskRequest(
        folder=str(folder.absolute()),
        backbone=backbone,
        weights=opt.absolute_file(opt.weights_from_text(weights)),
        preprocess=opt.absolute_file(preprocess),
        size=size,
        invert=invert,
        shots=tuple(dict.fromkeys(shots)),
        way=way,
        query=query,
        min_query=min_query,
        episodes=episodes,
        source=None if source is None else str(source.absolute()),
        groups=opt.groups_from_text(groups),
        skip_bad=skip_bad,
        max_pixels=max_pixels,
        seed=seed,
    )
    raise typer.Exit(run_dashboard(request, out, port=port))


def _grid(
    lr: list[float] | None,
    head_lr: list[float] | None,
    feature_step: list[float] | None,
    steps: list[int] | None,
) -> dict[str, list[float]]:
    heads = {"head_lrs": head_lr, "head_only_lrs": head_lr, "feature_steps": feature_step}
    given = {"lrs": lr, **heads, "steps": steps}
    return {name: list(values) for name, values in given.items() if values}

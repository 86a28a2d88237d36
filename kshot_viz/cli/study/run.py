"""The command ``study``: run the study of a file, and leave rows, tables and a picture."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kshot_viz.cli.options import resolve_device
from kshot_viz.cli.results import save_request
from kshot_viz.cli.study.file import read_study
from kshot_viz.cli.study.request import StudyRequest
from kshot_viz.files import whole_file
from kshot_viz.study.regimes.run_study import study
from kshot_viz.study.regimes.study_task import StudyTask

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.regimes.study import Study

KIND = "study"


def run_study(
    file: Path,
    out: Path,
    *,
    workers: int | None,
    device: str,
    budget_minutes: float | None,
    command: str,
) -> None:
    """Run the study of a file and leave everything in ``out``."""
    request, where = read_study(file), resolve_device(device)
    tasks = load_tasks(request)
    found = study(
        tasks,
        methods=request.methods,
        regimes=request.regimes,
        rules=request.rules,
        n_groups=request.groups,
        n_val=request.tuning_episodes,
        few=request.few,
        own_episodes=request.own_episodes,
        grid=request.grid,
        executor="processes" if where is None else "serial",
        workers=workers,
        device=where,
        out=out,
        seed=request.seed,
        budget_minutes=budget_minutes,
        progress=True,
    )
    for one, task in zip(request.tasks, tasks, strict=True):
        given = {item.name: getattr(one, item.name) for item in fields(one)}
        save_request(out / task.folder, {"kind": KIND, "command": command, **given})
    write_study(found, out)
    typer.echo(f"{found}\n\nRows: {out / 'rows.parquet'}. Text: {out / 'study.txt'}.")
    folder = out / tasks[0].folder
    typer.echo(f"Any row of a task again: kshot-viz replay {folder} --row 0")


def load_tasks(request: StudyRequest) -> list[StudyTask]:
    """Load images, then networks, each once; print them."""
    loaded = []
    for one in request.tasks:
        loaded.append((one.images(), one.source_images()))
        typer.echo(f"{loaded[-1][0]}")
    networks: dict[tuple[Any, ...], Backbone] = {}
    tasks = []
    for one, images in zip(request.tasks, loaded, strict=True):
        key = one.backbone, one.weights, one.preprocess, one.size, one.invert, one.backbone_name
        if key not in networks:
            networks[key] = one.network()
            typer.echo(f"{networks[key]}")
        tasks.append(one.task(networks[key], *images))
    return tasks


def write_study(found: Study, out: Path) -> None:
    """Write the text, and a picture for each rule."""
    from kshot_viz.viz import plot_regret, save_figure

    for rule in found.manifest["rules"]:
        save_figure(plot_regret(found, rule=rule), out / f"regret_{rule}.png")
    with whole_file(out / "study.txt") as path:
        path.write_text(f"{found}\n", encoding="utf-8")

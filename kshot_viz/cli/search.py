"""``kshot-viz search``: search for the neurons that share a gradient or stay fixed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kshot_viz.cli.options import resolve_device
from kshot_viz.cli.requests import ImagesRequest
from kshot_viz.data.load_dataset import load_dataset
from kshot_viz.search.group_search import GroupSearch
from kshot_viz.search.rewards.protocols import pseudo_episode_reward

if TYPE_CHECKING:
    from kshot_viz.search.result import SearchResult


# Classes of a task by default: letters have hundreds of them.
_WAY = 10


@dataclass(frozen=True, kw_only=True)
class SearchRequest(ImagesRequest):
    """The arguments of the command."""

    source: str
    shot: int
    way: int | None
    query: int
    tasks: int
    sampler: str
    budget: float
    prune: bool
    budget_minutes: float | None
    device: str
    seed: int


def run_search(request: SearchRequest, out: Path, *, workers: int | None) -> None:
    """Search with live progress, and leave journal, history, winner and curve in ``out``."""
    device = resolve_device(request.device)
    backbone = request.network()
    source = load_dataset(request.source, **request.reading)
    reward = pseudo_episode_reward(
        source,
        way=min(_WAY, source.n_classes) if request.way is None else request.way,
        shot=request.shot,
        query=request.query,
        n=request.tasks,
        seed=request.seed,
    )
    typer.echo(f"{backbone}\n{reward}")
    search = GroupSearch(
        backbone,
        reward,
        sampler=request.sampler,
        budget=request.budget,
        storage=out / "search.journal",
        prune="halving" if request.prune else None,
        executor="processes" if device is None else "serial",
        workers=workers,
        device=device,
        budget_minutes=request.budget_minutes,
        seed=request.seed,
    )
    found = search.run(progress=True)
    _write(found, out)
    typer.echo(f"{found}\n{int(found.history['steps'].sum())} gradient steps in all.")
    typer.echo(f"Written: {', '.join(str(out / name) for name in WRITTEN)}.")


def _write(found: SearchResult, out: Path) -> None:
    from kshot_viz.viz import plot_search, save_figure

    found.history.to_csv(out / "history.csv", index=False)
    found.bound().save(out / "best.json")
    save_figure(plot_search(found), out / "search.png")


WRITTEN = ("search.journal", "history.csv", "best.json", "search.png")

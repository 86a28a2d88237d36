"""``kshot-viz demo``: a network trained on letters recognises digits from 1 or 5 of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kshot_viz.cli.results import write_results
from kshot_viz.data.episodes import sample_episodes
from kshot_viz.data.load_dataset import load_dataset
from kshot_viz.models.loading.load_backbone import load_backbone
from kshot_viz.study.compare import compare_methods
from kshot_viz.study.grid import TuningGrid

if TYPE_CHECKING:
    from kshot_viz.data.dataset import ImageDataset

SHOTS = (1, 5)
EPISODES = 20
GROUPS = 0.1
# One step size fewer than usual: the demo has five minutes.
GRID = TuningGrid(lrs=(1e-3, 3e-3, 1e-2, 3e-2))
TITLE = "Handwritten digits from 1 and 5 examples, with a network that knows only letters"


def run_demo(out: Path, *, workers: int | None, full: bool, seed: int, command: str) -> None:
    """Run the demo and leave everything in ``out``."""
    typer.echo("Loading digits, letters and the bundled network ...")
    data, source, backbone = load_dataset("digits"), demo_source(), load_backbone("glyphnet")
    comparison = compare_methods(
        backbone,
        data,
        [one for shot in SHOTS for one in _episodes(data, shot, seed)],
        groups_from="source",
        source=source,
        n_groups=GROUPS,
        grid=GRID,
        full=full,
        executor="processes",
        workers=workers,
        out=out,
        seed=seed,
        progress=True,
    )
    write_results(
        comparison,
        out,
        inputs=(backbone, data, source),
        title=TITLE,
        command=command,
        request={"kind": "demo"},
    )


def demo_source() -> ImageDataset:
    """Return the letters that groups are formed from: one drawing of each."""
    return load_dataset("glyphs", per_class=1)


def _episodes(data: ImageDataset, shot: int, seed: int) -> list[Any]:
    return sample_episodes(data, way=10, shot=shot, query=15, n=EPISODES, seed=seed)

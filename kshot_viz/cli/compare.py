"""``kshot-viz compare``: the user's own images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kshot_viz.cli.figures import comparison_figures, grouping_figures
from kshot_viz.cli.options import resolve_device
from kshot_viz.cli.requests import TaskRequest
from kshot_viz.cli.results import refuse_another, write_results
from kshot_viz.data.folder import load_folder
from kshot_viz.errors import KShotValueError
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.study.compare import compare_methods
from kshot_viz.study.grid import TuningGrid

if TYPE_CHECKING:
    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, kw_only=True)
class CompareRequest(TaskRequest):
    """The arguments of the command, as they are kept beside its results."""

    val_episodes: int
    val_share: float
    grid: dict[str, list[float]]
    tune: str | None
    device: str
    full: bool

    def __post_init__(self) -> None:
        if self.tune == "source" and self.source is None:
            raise KShotValueError("`--tune source` needs `--source`, a folder of class folders.")
        if self.tune is None and any(len(values) > 1 for values in self.grid.values()):
            raise KShotValueError(
                "`--tune none` chooses nothing: give `--lr`, `--head-lr` and `--steps` once each."
            )

    @property
    def config(self) -> FinetuneConfig:
        """The setting that runs where nothing is tuned; the grid replaces it otherwise."""
        names = {"lrs": "lr", "head_lrs": "head_lr", "steps": "steps"}
        given = {name: self.grid[key][0] for key, name in names.items() if key in self.grid}
        return FinetuneConfig().but(**given)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"kind": "compare", **asdict(self)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> CompareRequest:
        """Rebuild the request."""
        known = {item.name: record[item.name] for item in fields(cls)}
        return cls(**{**known, "shots": tuple(record["shots"])})


def run_compare(request: CompareRequest, out: Path, *, workers: int | None, command: str) -> None:
    """Load everything, compare, and leave the results in ``out``."""
    device = resolve_device(request.device)
    refuse_another(out, request.to_dict())
    # The images first: a network may have to be downloaded.
    data, source = load_images(request), load_source(request)
    backbone = load_network(request)
    comparison = compare_methods(
        backbone,
        data,
        request.tasks(data, val_share=request.val_share if request.tune == "validation" else 0.0),
        groups_from="support" if source is None else "source",
        n_groups=request.groups,
        source=source,
        tune=request.tune,
        grid=TuningGrid.from_dict(request.grid),
        config=request.config,
        n_val=request.val_episodes,
        full=request.full,
        executor="processes" if device is None else "serial",
        workers=workers,
        device=device,
        out=out,
        seed=request.seed,
        progress=True,
    )
    write_results(
        comparison,
        out,
        draw=lambda: (
            comparison_figures(comparison) | grouping_figures(comparison, backbone, data, source)
        ),
        title=f"{data.name}: {', '.join(map(str, request.shots))} shot, {request.backbone}",
        command=command,
        request=request.to_dict(),
    )


def load_network(request: CompareRequest) -> Backbone:
    """Load the network, and say which it is."""
    backbone = request.network()
    typer.echo(f"{backbone}")
    return backbone


def load_images(request: CompareRequest) -> ImageDataset:
    """Load the images to be recognised, and name those that were skipped."""
    data = request.images()
    typer.echo(f"{data}")
    if "skipped" in data.notes:
        typer.echo(f"Skipped, since unreadable: {data.notes['skipped']}.")
    return data


def load_source(request: CompareRequest) -> ImageDataset | None:
    """Load the source images; labelled where tuning needs classes."""
    if request.source is not None and request.tune == "source":
        return load_folder(request.source, skip_bad=request.skip_bad)
    return request.source_images()

"""``kshot-viz compare``: the user's own images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import typer

from kshot_viz.cli.figures import comparison_figures, grouping_figures
from kshot_viz.cli.results import write_results
from kshot_viz.data.episodes import sample_episodes
from kshot_viz.data.loose import load_loose_images
from kshot_viz.data.registry import load_dataset
from kshot_viz.errors import KShotValueError
from kshot_viz.models.registry import load_backbone
from kshot_viz.study.compare import compare_methods

if TYPE_CHECKING:
    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.data.episode import Episode
    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True)
class CompareRequest:
    """The arguments of the command, as they are kept beside its results."""

    folder: str
    backbone: str
    weights: str
    preprocess: str | None
    size: int | None
    shots: tuple[int, ...]
    way: int | None
    query: int
    episodes: int
    val_episodes: int
    val_share: float
    source: str | None
    groups: float
    tune: str | None
    device: str
    skip_bad: bool
    full: bool
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"kind": "compare", **asdict(self)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> CompareRequest:
        """Rebuild the request."""
        known = {item.name: record[item.name] for item in fields(cls)}
        return cls(**{**known, "shots": tuple(record["shots"])})

    @property
    def n_groups(self) -> float | int:
        """A share below or at 1 stays a float, a count becomes an int."""
        return int(self.groups) if self.groups > 1 else float(self.groups)


def run_compare(request: CompareRequest, out: Path, *, workers: int | None, command: str) -> None:
    """Load everything, compare, and leave the results in ``out``."""
    data, backbone = load_inputs(request)
    source = load_source(request)
    device = resolve_device(request.device)
    comparison = compare_methods(
        backbone,
        data,
        _episodes(request, data),
        groups_from="support" if source is None else "source",
        n_groups=request.n_groups,
        source=source,
        tune=request.tune,
        n_val=request.val_episodes,
        full=request.full,
        executor="processes" if device is None else "serial",
        workers=workers,
        device=device,
        out=out,
        seed=request.seed,
        progress=True,
    )
    shown = data if source is None else source
    figures = comparison_figures(comparison) | grouping_figures(
        backbone, shown.take(range(min(len(shown), 256))), request.n_groups, request.seed
    )
    write_results(
        comparison,
        out,
        figures=figures,
        title=f"{data.name}: {', '.join(map(str, request.shots))} shot, {request.backbone}",
        command=command,
        request=request.to_dict(),
    )


def load_inputs(request: CompareRequest) -> tuple[ImageDataset, Backbone]:
    """Load the images and the network the request names."""
    backbone = load_backbone(
        request.backbone,
        weights=request.weights,
        preprocess=request.preprocess,
        size=request.size,
    )
    typer.echo(f"{backbone}")
    data = load_dataset(Path(request.folder), skip_bad=request.skip_bad)
    typer.echo(f"{data}")
    return data, backbone


def load_source(request: CompareRequest) -> ImageDataset | None:
    """Load the source images; labelled where tuning needs classes."""
    if request.source is None:
        return None
    if request.tune == "source":
        return load_dataset(Path(request.source), skip_bad=request.skip_bad)
    return load_loose_images(request.source, skip_bad=request.skip_bad)


def resolve_device(name: str) -> str | None:
    """Return a torch device, or None for the CPU with one process a core."""
    if name not in ("auto", "cpu", "cuda"):
        raise KShotValueError(f"`--device` must be auto, cpu or cuda; not {name!r}.")
    if name == "cuda" and not torch.cuda.is_available():
        raise KShotValueError("`--device cuda` was asked for, but torch sees no CUDA device.")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else None


def _episodes(request: CompareRequest, data: ImageDataset) -> list[Episode]:
    return [
        one
        for shot in request.shots
        for one in sample_episodes(
            data,
            way=data.n_classes if request.way is None else request.way,
            shot=shot,
            query=request.query,
            n=request.episodes,
            val_share=0.0 if request.tune != "validation" else request.val_share,
            seed=request.seed,
        )
    ]

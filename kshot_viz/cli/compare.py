"""The commands ``compare`` and ``demo``: tables of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kshot_viz.cli.options import one_value, resolve_device
from kshot_viz.cli.requests import TaskRequest
from kshot_viz.cli.results import refuse_another, write_results
from kshot_viz.data.episodes import sample_episodes
from kshot_viz.data.folder import load_folder
from kshot_viz.data.load_dataset import load_dataset
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import FIRST, list_methods, resolve_method
from kshot_viz.models.loading.load_backbone import load_backbone
from kshot_viz.study.compare import compare_methods
from kshot_viz.study.settings.grid import TuningGrid

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
    methods: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    choose: str = "guarded"
    race: bool = True
    budget_minutes: float | None = None

    def __post_init__(self) -> None:
        if self.tune == "source" and self.source is None:
            raise KShotValueError("`--tune source` needs `--source`, a folder of class folders.")
        if self.tune is None and any(len(values) > 1 for values in self.grid.values()):
            raise KShotValueError(
                "`--tune none` chooses nothing: give `--lr`, `--head-lr` and `--steps` once each."
            )
        if self.tune is None and "feature_steps" in self.grid:
            raise KShotValueError(
                "`--feature-step` is among what is chosen: `--tune none` takes `--head-lr`."
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
        """Rebuild the request; one from before there was an option has its default."""
        given = {"min_query": 1, **record}
        known = {item.name: given[item.name] for item in fields(cls) if item.name in given}
        lists = {name: tuple(known.get(name, ())) for name in ("shots", "methods", "candidates")}
        return cls(**known | lists)

    def rivals(self) -> list[str | Candidate]:
        """Return what is compared: methods by name, and candidates from files.

        Where there are candidates, only plain fine-tuning is added by itself.
        """
        named = load_candidates(self.candidates)
        return [*(self.methods or (("plain",) if named else FIRST)), *named]


def load_candidates(paths: Sequence[str]) -> list[Candidate]:
    """Load candidates from files.

    One that is called like a method, or like another one, takes the name of its file.
    """
    loaded = [Candidate.load(one) for one in paths]
    names = [one.name for one in loaded]
    taken = {*list_methods(), *(name for name in names if names.count(name) > 1)}
    return [
        replace(one, name=file) if one.name in taken else one
        for one, file in zip(loaded, _file_names(paths), strict=True)
    ]


def _file_names(paths: Sequence[str]) -> list[str]:
    """Return the names of files without their endings, with the folder where two are the same."""
    stems = [Path(one).stem for one in paths]
    return [
        f"{Path(one).resolve().parent.name}/{stem}" if stems.count(stem) > 1 else stem
        for one, stem in zip(paths, stems, strict=True)
    ]


def run_compare(request: CompareRequest, out: Path, *, workers: int | None, command: str) -> None:
    """Load everything, compare, and leave the results in ``out``."""
    device = resolve_device(request.device)
    for name in request.methods:
        resolve_method(one_value("--method", name), "--method")
    refuse_another(out, request.to_dict())
    # The images first: a network may have to be downloaded.
    data, source = load_images(request), load_source(request)
    backbone = load_network(request)
    comparison = compare_methods(
        backbone,
        data,
        request.tasks(data, val_share=request.val_share if request.tune == "validation" else 0.0),
        methods=request.rivals(),
        groups_from="support" if source is None else "source",
        n_groups=request.groups,
        source=source,
        tune=request.tune,
        choose=request.choose,
        race=request.race,
        budget_minutes=request.budget_minutes,
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
        inputs=(backbone, data, source),
        title=f"{data.name}: {', '.join(map(str, request.shots))} shot, {request.backbone}",
        command=command,
        request=request.to_dict(),
    )


def load_network(request: CompareRequest) -> Backbone:
    """Load the network and print it."""
    backbone = request.network()
    typer.echo(f"{backbone}")
    return backbone


def load_images(request: CompareRequest) -> ImageDataset:
    """Load the images to be recognised; print them, and those that were skipped."""
    data = request.images()
    typer.echo(f"{data}")
    if "skipped" in data.notes:
        typer.echo(f"Skipped, since unreadable: {data.notes['skipped']}.")
    return data


def load_source(request: CompareRequest) -> ImageDataset | None:
    """Load the source images; labelled where tuning needs classes."""
    if request.source is not None and request.tune == "source":
        return load_folder(request.source, **request.reading)
    return request.source_images()


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

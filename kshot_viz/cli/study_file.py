"""A file of tasks, methods and regimes, as the command ``study`` reads it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.cli.requests import ImagesRequest, renamed
from kshot_viz.data.folder import load_unlabelled
from kshot_viz.data.load_dataset import load_dataset
from kshot_viz.errors import KShotFileError, unknown_name
from kshot_viz.methods.registry import FIRST
from kshot_viz.study.regimes.choices import REGIMES, Few
from kshot_viz.study.regimes.study_task import StudyTask
from kshot_viz.study.settings.grid import TuningGrid

if TYPE_CHECKING:
    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.models.backbone import Backbone

# Names of data sets that come with the package.
BUILT_IN = ("digits", "glyphs")


@dataclass(frozen=True, kw_only=True)
class StudyTaskRequest(ImagesRequest):
    """A task of a study file, as it is kept beside its results.

    ``data`` and ``source`` are names of built-in data sets or folders. ``data_name`` and
    ``backbone_name`` are what rows and tables call them; two tasks that differ in neither are no
    two tasks.
    """

    data: str
    shots: tuple[int, ...] = (1, 5)
    way: int | None = None
    query: int = 15
    episodes: int = 50
    source: str | None = None
    name: str = ""
    backbone: str = "glyphnet"
    weights: str | None = "DEFAULT"
    preprocess: str | None = None
    size: int | None = None
    skip_bad: bool = False
    val_share: float = 0.4
    data_name: str = ""
    backbone_name: str = ""

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> StudyTaskRequest:
        """Rebuild a request; an unknown key is a KShotKeyError."""
        names = [one.name for one in fields(cls)]
        for key in record:
            if key not in names:
                raise unknown_name("key of a task", key, names)
        if "data" not in record:
            raise KShotFileError("A task has no `data`: name a folder of class folders.")
        shots = record.get("shots", cls.shots)
        several = tuple(shots) if isinstance(shots, (list, tuple)) else (shots,)
        return cls(**{**record, "shots": several})

    def network(self) -> Backbone:
        """Load the network."""
        loaded = super().network()
        return renamed(loaded, self.backbone_name) if self.backbone_name else loaded

    def images(self) -> ImageDataset:
        """Load the images to be recognised."""
        loaded = load_dataset(self.data, **({} if self.data in BUILT_IN else self.reading))
        return replace(loaded, name=self.data_name) if self.data_name else loaded

    def source_images(self) -> ImageDataset | None:
        """Load the images that form the groups, if there are any; they need no classes."""
        if self.source is None:
            return None
        if self.source == "glyphs":
            return load_dataset(self.source, per_class=1)
        if self.source in BUILT_IN:
            return load_dataset(self.source)
        return load_unlabelled(self.source, **self.reading)

    def task(self, network: Backbone) -> StudyTask:
        """Load the images and return the task."""
        return StudyTask(
            network,
            self.images(),
            shots=self.shots,
            way=self.way,
            query=self.query,
            episodes=self.episodes,
            source=self.source_images(),
            val_share=self.val_share,
            name=self.name,
        )


@dataclass(frozen=True)
class StudyRequest:
    """What a study file asks for."""

    tasks: tuple[StudyTaskRequest, ...]
    methods: tuple[str, ...] = FIRST
    regimes: tuple[str, ...] = REGIMES
    rules: tuple[str, ...] = ("guarded",)
    groups: float | int = 0.1
    tuning_episodes: int = 6
    few: Few = field(default_factory=Few)
    own_episodes: int = 10
    grid: TuningGrid | None = None
    seed: int = 0


def read_study(path: Path) -> StudyRequest:
    """Read a study file (TOML); paths in it are relative to its folder.

    Raises
    ------
    KShotFileError
        If it cannot be read, is no TOML, or lacks tasks; the message names the file.
    """
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise KShotFileError(f"{path} cannot be read as a study: {why}.") from error
    common = {key: record.pop(key) for key in _SHARED if key in record}
    tasks = record.pop("tasks", [])
    if not isinstance(tasks, list) or not all(isinstance(one, dict) for one in tasks) or not tasks:
        raise KShotFileError(f"{path} has no tasks: begin each with a line [[tasks]].")
    names = [one.name for one in fields(StudyRequest) if one.name != "tasks"]
    for key in record:
        if key not in names:
            raise unknown_name(f"key of {path.name}", key, [*names, "tasks", *_SHARED])
    found = [StudyTaskRequest.from_dict(_beside(path, common | one)) for one in tasks]
    return StudyRequest(tuple(found), **{key: _value(key, one) for key, one in record.items()})


# What all tasks may have in common.
_SHARED = ("shots", "episodes", "query", "way", "val_share")
_PATHS = ("data", "source", "weights", "preprocess")


def _beside(path: Path, task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task whose paths start at the folder of the file."""
    found = dict(task)
    for name in _PATHS:
        beside = path.parent / str(found.get(name, ""))
        if name in found and found[name] not in BUILT_IN and beside.exists():
            # Absolute, so that it is not taken for a built-in name, and found from any folder.
            found[name] = str(beside.absolute())
    return found


def _value(key: str, given: Any) -> Any:
    try:
        if key == "few":
            return Few(**given)
        if key == "grid":
            return _grid(given)
    except TypeError as error:
        raise KShotFileError(f"`{key}` of the study is no table of settings: {error}.") from error
    return tuple(given) if isinstance(given, list) else given


def _grid(given: Mapping[str, Any]) -> TuningGrid:
    # The unit of feature steps is measured on each task.
    known = [one.name for one in fields(TuningGrid) if one.name != "unit"]
    for name in given:
        if name not in known:
            raise unknown_name("key of `grid`", name, known)
    return TuningGrid.from_dict(given)


def study_inputs(record: Mapping[str, Any]) -> tuple[Backbone, ImageDataset]:
    """Load the network and the images of a task that a study kept."""
    given = {key: value for key, value in record.items() if key not in ("kind", "command")}
    request = StudyTaskRequest.from_dict(given)
    return request.network(), request.images()

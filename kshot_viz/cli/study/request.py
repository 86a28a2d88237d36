"""What a study file asks for, checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from kshot_viz.checks import Rule, check, flag, names, number, optional, text, whole
from kshot_viz.cli.requests import ImagesRequest, renamed
from kshot_viz.data.folder import load_unlabelled
from kshot_viz.data.load_dataset import BUILT_IN, load_dataset
from kshot_viz.errors import KShotFileError, unknown_name
from kshot_viz.methods.registry import FIRST, resolve_method
from kshot_viz.models.loading.load_backbone import known_network
from kshot_viz.study.regimes.choices import REGIMES, Few, known_regimes
from kshot_viz.study.regimes.study_task import StudyTask
from kshot_viz.study.settings.choice import known_rule
from kshot_viz.study.settings.grid import TuningGrid

if TYPE_CHECKING:
    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.models.backbone import Backbone

_NETWORK = {
    "backbone": text,
    "weights": optional(text),
    "preprocess": optional(text),
    "size": optional(whole(1)),
    "invert": flag,
    "backbone_name": text,
}
_IMAGES = {
    "data": text,
    "data_name": text,
    "source": optional(text),
    "skip_bad": flag,
    "max_pixels": optional(whole(1)),
}
_EPISODES = {
    "way": optional(whole(2)),
    "query": whole(1),
    "episodes": whole(1),
    "val_share": number(0, above=True),
    "name": text,
}
_STUDY = {
    "methods": names,
    "regimes": names,
    "rules": names,
    "groups": number(0, above=True),
    "tuning_episodes": whole(1),
    "own_episodes": whole(1),
    "seed": whole(0),
}


def _check(request: object, rules: Mapping[str, Rule]) -> None:
    for name, rule in rules.items():
        check(name, getattr(request, name), rule)


@dataclass(frozen=True, kw_only=True)
class StudyTaskRequest(ImagesRequest):
    """A task of a study file, as it is kept beside its results.

    ``data`` and ``source`` are names of built-in data sets or folders. ``data_name`` and
    ``backbone_name`` are what rows and tables call them, which tell two tasks from each other.
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

    def __post_init__(self) -> None:
        _check(self, _NETWORK | _IMAGES | _EPISODES)
        known_network(self.backbone, "backbone")
        for one in self.shots:
            check("shots", one, whole(1))

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> StudyTaskRequest:
        """Rebuild a request; an unknown key is a KShotKeyError."""
        keys = [one.name for one in fields(cls)]
        for key in record:
            if key not in keys:
                raise unknown_name("key of a task", key, keys)
        if "data" not in record:
            raise KShotFileError("A task has no `data`: name a folder of class folders.")
        shots = record.get("shots", cls.shots)
        every = tuple(shots) if isinstance(shots, (list, tuple)) else (shots,)
        return cls(**{**record, "shots": every})

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

    def task(
        self, network: Backbone, images: ImageDataset, source: ImageDataset | None
    ) -> StudyTask:
        """Return the task of what was loaded."""
        return StudyTask(
            network,
            images,
            shots=self.shots,
            way=self.way,
            query=self.query,
            episodes=self.episodes,
            source=source,
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

    def __post_init__(self) -> None:
        _check(self, _STUDY)
        for name in self.methods:
            resolve_method(name, "methods")
        known_regimes(self.regimes)
        for rule in self.rules:
            known_rule(rule, "rules")


def study_inputs(record: Mapping[str, Any]) -> tuple[Backbone, ImageDataset]:
    """Load the network and the images of a task that a study kept."""
    given = {key: value for key, value in record.items() if key not in ("kind", "command")}
    request = StudyTaskRequest.from_dict(given)
    return request.network(), request.images()

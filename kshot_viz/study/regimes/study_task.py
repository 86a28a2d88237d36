"""A part of a study: images to recognise with a network, at one or more numbers of shots."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from kshot_viz.checks import check, instance, number, optional, text, whole
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import sample_episodes
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotValueError
from kshot_viz.models.backbone import BACKBONE, Backbone


@dataclass(frozen=True, eq=False)
class StudyTask:
    """Images to recognise with a network, at one or more numbers of shots.

    Attributes
    ----------
    backbone : Backbone
    data : ImageDataset
    shots : tuple of int
        Labelled images of each class; each number is a task of its own.
    way : int, optional
        Classes of an episode; all by default.
    query : int
        Query images of each class.
    episodes : int
        Test episodes for every number of shots.
    source : image batch or ImageDataset, optional
        Images that form the groups; else the support of each episode does.
    val_share : float
        Share of the images of each class that settings may be chosen on.
    name : str
        Of the results; those of data and network by default.
    """

    backbone: Backbone
    data: ImageDataset
    shots: tuple[int, ...] = (1, 5)
    way: int | None = None
    query: int = 15
    episodes: int = 50
    source: Any = field(default=None, repr=False)
    val_share: float = 0.4
    name: str = ""

    def __post_init__(self) -> None:
        check("backbone", self.backbone, BACKBONE)
        check("data", self.data, instance(ImageDataset))
        shots = tuple(self.shots) if isinstance(self.shots, (tuple, list)) else (self.shots,)
        if not shots or len(set(shots)) < len(shots):
            raise KShotValueError(f"`shots` must be distinct numbers of images; not {shots!r}.")
        for one in shots:
            check("shots", one, whole(1))
        object.__setattr__(self, "shots", shots)
        check("way", self.way, optional(whole(2)))
        check("query", self.query, whole(1))
        check("episodes", self.episodes, whole(1))
        check("val_share", self.val_share, number(0, above=True))
        check("name", self.name, text)
        if not self.name:
            object.__setattr__(self, "name", f"{self.data.name} {self.backbone.name}")

    @property
    def folder(self) -> str:
        """Name of the folder of its results."""
        return re.sub(r"\W+", "_", self.name).strip("_") or "task"

    def sampled(self, seed: int) -> list[Episode]:
        """Draw the test episodes of every number of shots."""
        return [
            one
            for shot in self.shots
            for one in sample_episodes(
                self.data,
                way=self.way,
                shot=shot,
                query=self.query,
                n=self.episodes,
                val_share=self.val_share,
                seed=seed,
                min_query=1,
            )
        ]

"""Requests that several commands share: a network, and episodes drawn from a folder of images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from kshot_viz.data.episodes import MIN_QUERY, sample_episodes
from kshot_viz.data.folder import load_folder, load_unlabelled
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.inputs.preprocess import Preprocess
from kshot_viz.models.loading.load_backbone import known_network, load_backbone

if TYPE_CHECKING:
    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.data.episodes.episode import Episode


@dataclass(frozen=True, kw_only=True)
class NetworkRequest:
    """A network by its name, with weights and the preprocessing that belongs to them."""

    backbone: str
    weights: str | None
    preprocess: str | None
    size: int | None
    invert: bool = False

    def network(self) -> Backbone:
        """Load the network."""
        known_network(self.backbone, "--backbone")
        loaded = load_backbone(
            self.backbone, weights=self.weights, preprocess=self.preprocess, size=self.size
        )
        return _inverted(loaded) if self.invert else loaded


@dataclass(frozen=True, kw_only=True)
class ImagesRequest(NetworkRequest):
    """A network, and how files of images are read."""

    skip_bad: bool
    max_pixels: int | None = None

    @property
    def reading(self) -> dict[str, Any]:
        """The options of a loader that were given; built-in data sets have none of them."""
        given = {"skip_bad": self.skip_bad or None, "max_pixels": self.max_pixels}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class TaskRequest(ImagesRequest):
    """A network, a folder of images per class, and the episodes to draw from it."""

    folder: str
    shots: tuple[int, ...]
    way: int | None
    query: int
    episodes: int
    source: str | None
    groups: float | int
    seed: int
    min_query: int = MIN_QUERY

    def images(self) -> ImageDataset:
        """Load the images to be recognised."""
        return load_folder(self.folder, **self.reading)

    def source_images(self) -> ImageDataset | None:
        """Load the images that form the groups, if there are any; they need no classes."""
        if self.source is None:
            return None
        return load_unlabelled(self.source, **self.reading)

    def tasks(self, data: ImageDataset, **options: Any) -> list[Episode]:
        """Draw the episodes of every k; all classes unless fewer were requested."""
        return [
            one
            for shot in self.shots
            for one in sample_episodes(
                data,
                way=self.way,
                shot=shot,
                query=self.query,
                n=self.episodes,
                seed=self.seed,
                min_query=self.min_query,
                **options,
            )
        ]


def _inverted(loaded: Backbone) -> Backbone:
    """Return a network that swaps black and white first."""
    # One that was loaded by its name has no function in its stead.
    look = replace(cast(Preprocess, loaded.preprocess), invert=True)
    return _with(loaded, preprocess=look)


def renamed(loaded: Backbone, name: str) -> Backbone:
    """Return a network under another name, which rows and tables call it by."""
    return _with(loaded, name=name)


def _with(loaded: Backbone, **changes: Any) -> Backbone:
    kept = {"preprocess": loaded.preprocess, "name": loaded.name, "notes": loaded.notes}
    return Backbone(loaded.module, head=loaded.head_name, **kept | changes)

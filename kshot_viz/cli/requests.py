"""Requests that several commands share: a network, and episodes drawn from a folder of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kshot_viz.data.episodes import MIN_QUERY, sample_episodes
from kshot_viz.data.folder import load_folder, load_unlabelled
from kshot_viz.models.loading.load_backbone import load_backbone

if TYPE_CHECKING:
    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.data.episodes.episode import Episode
    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, kw_only=True)
class NetworkRequest:
    """A network by its name, with weights and the preprocessing that belongs to them."""

    backbone: str
    weights: str | None
    preprocess: str | None
    size: int | None

    def network(self) -> Backbone:
        """Load the network."""
        return load_backbone(
            self.backbone, weights=self.weights, preprocess=self.preprocess, size=self.size
        )


@dataclass(frozen=True, kw_only=True)
class TaskRequest(NetworkRequest):
    """A network, a folder of images per class, and the episodes to draw from it."""

    folder: str
    shots: tuple[int, ...]
    way: int | None
    query: int
    episodes: int
    source: str | None
    groups: float | int
    skip_bad: bool
    seed: int
    min_query: int = MIN_QUERY

    def images(self) -> ImageDataset:
        """Load the images to be recognised."""
        return load_folder(self.folder, skip_bad=self.skip_bad)

    def source_images(self) -> ImageDataset | None:
        """Load the images that form the groups, if there are any; they need no classes."""
        if self.source is None:
            return None
        return load_unlabelled(self.source, skip_bad=self.skip_bad)

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

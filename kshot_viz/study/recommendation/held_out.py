"""How every candidate does on images that were left out, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode, check_source
from kshot_viz.evaluate.evaluate import evaluate
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.head import zero_linear
from kshot_viz.models.inputs.source_pixels import warn_if_unlike_source
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.study.recommendation.safe import reads_features

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Whether each candidate recognised each image that was left out.

    Attributes
    ----------
    candidates : tuple of Candidate
    hits : ndarray of bool, shape (candidates, images)
    folds : ndarray of int, shape (images,)
        The fold that left an image out.
    untried : tuple of Candidate
        Those that need not run: the candidates that move less recognised every image.
    """

    candidates: tuple[Candidate, ...]
    hits: np.ndarray
    folds: np.ndarray
    untried: tuple[Candidate, ...] = ()

    @property
    def accuracies(self) -> dict[str, float]:
        """The share of images that each candidate recognised, by its name."""
        names = (one.name for one in self.candidates)
        return dict(zip(names, self.hits.mean(axis=1).tolist(), strict=True))

    def without(self, fold: int) -> HeldOut:
        """Return what would have been known without the images of a fold.

        There, too, no other candidate would have been tried where one that leaves the body as it is
        recognises every image.
        """
        others = self.folds != fold
        hits = self.hits[:, others]
        frozen = np.array([reads_features(one) for one in self.candidates])
        kept = frozen if hits[frozen].all(axis=1).any() else np.ones_like(frozen)
        candidates = tuple(one for one, keep in zip(self.candidates, kept, strict=True) if keep)
        return HeldOut(candidates, hits[kept], self.folds[others])


class FrozenFeatures(nn.Module):
    """A network on features that were computed before: its body passes them on as they are."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = zero_linear(features, features, bias=False)
        self.head = zero_linear(features, 2)
        nn.init.eye_(self.body.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map features (N, F) to logits (N, 2)."""
        return self.head(self.body(x))


def held_out(
    backbone: Backbone,
    data: ImageDataset,
    episodes: Sequence[Episode],
    candidates: Sequence[Candidate],
    *,
    source: Any = None,
    seed: int = 0,
    **options: Any,
) -> HeldOut:
    """Try candidates on folds.

    Those that read features alone share the features of each image, which are computed once.
    Where one of them recognises every image, no other is better, and the rest is not tried.

    Parameters
    ----------
    backbone : Backbone
    data : ImageDataset
    episodes : sequence of Episode
        The folds; each leaves out other images.
    candidates : sequence of Candidate
    source : image batch, optional
    seed : int
    **options
        Of :func:`kshot_viz.evaluate`.
    """
    check_source(source, data, episodes)
    frozen = [one for one in candidates if reads_features(one)]
    moving = [one for one in candidates if not reads_features(one)]
    hits: dict[int, np.ndarray] = {}
    if frozen:
        warn_if_unlike_source(backbone, data, data)
        hits |= _frozen_hits(backbone, data, episodes, frozen, seed)
    perfect = any(one.all() for one in hits.values())
    if moving and not perfect:
        rows = evaluate(
            backbone, data, episodes, moving, source=source, seed=seed, mix_names=False, **options
        )
        hits |= _hits(rows, episodes, moving)
    tried = tuple(one for one in candidates if id(one) in hits)
    folds = np.repeat(np.arange(len(episodes)), [len(one.query) for one in episodes])
    matrix = np.stack([hits[id(one)] for one in tried])
    return HeldOut(tried, matrix, folds, tuple(moving) if perfect else ())


def _frozen_hits(
    backbone: Backbone,
    data: ImageDataset,
    episodes: Sequence[Episode],
    candidates: Sequence[Candidate],
    seed: int,
) -> dict[int, np.ndarray]:
    features = penultimate_features(backbone, data)
    rows = ImageDataset(
        features.numpy(), data.targets, data.classes, data.name, data.digests, data.fingerprint
    )
    example = torch.zeros(2, features.shape[1])
    twin = Backbone(FrozenFeatures(features.shape[1]), head="head", example=example)
    return _hits(evaluate(twin, rows, episodes, candidates, seed=seed), episodes, candidates)


def _hits(
    rows: pd.DataFrame, episodes: Sequence[Episode], candidates: Sequence[Candidate]
) -> dict[int, np.ndarray]:
    """Return the hits of each candidate, by its identity; a run that diverged has none."""
    predicted, found = rows["predicted"].tolist(), {}
    for i, candidate in enumerate(candidates):
        of_folds = predicted[i :: len(candidates)]
        parts = [_right(one, known) for one, known in zip(of_folds, episodes, strict=True)]
        found[id(candidate)] = np.concatenate(parts)
    return found


def _right(predicted: Sequence[int], episode: Episode) -> np.ndarray:
    true = np.repeat(np.arange(episode.way), episode.query_counts)
    return np.asarray(predicted) == true if len(predicted) else np.zeros(len(true), dtype=bool)

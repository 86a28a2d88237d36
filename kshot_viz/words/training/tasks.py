"""Cached features of all images, and tasks of random or of similar classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FeatureBank:
    """Features of images, found by class.

    Attributes
    ----------
    features : Tensor
        float32 (N, features), as the backbone gives them.
    rows : Tensor
        int64 (N,): the images, class after class.
    starts, counts : Tensor
        int64 (classes,): where a class begins in ``rows``, and how many images it has.
    """

    features: Tensor
    rows: Tensor
    starts: Tensor
    counts: Tensor

    @classmethod
    def of(cls, features: Tensor, targets: Tensor, n_classes: int) -> FeatureBank:
        """Sort images by class."""
        counts = torch.bincount(targets, minlength=n_classes)
        rows = targets.argsort(stable=True)
        return cls(features, rows, counts.cumsum(0) - counts, counts)

    def means(self, classes: Tensor) -> Tensor:
        """Return the mean of the features of each class, (classes, features)."""
        return torch.stack([self.features[self.images(c)].mean(dim=0) for c in classes.tolist()])

    def images(self, one: int) -> Tensor:
        """Return the images of one class."""
        start = int(self.starts[one])
        return self.rows[start : start + int(self.counts[one])]

    def draw(self, tasks: Tensor, n: int, rng: torch.Generator) -> Tensor:
        """Draw images with replacement: classes (tasks, way) -> images (tasks, way, n)."""
        share = torch.rand(*tasks.shape, n, generator=rng)
        chosen = (share * self.counts[tasks][..., None]).long()
        return self.rows[self.starts[tasks][..., None] + chosen]

    def draw_distinct(self, tasks: Tensor, n: int, rng: torch.Generator) -> Tensor:
        """Draw images without replacement; every class must have n."""
        chosen = [_some(self.images(c), n, rng) for c in tasks.flatten().tolist()]
        return torch.stack(chosen).view(*tasks.shape, n)


@dataclass(frozen=True, eq=False)
class TaskSampler:
    """Tasks of some of the classes.

    Attributes
    ----------
    classes : Tensor
        int64 (n,): the classes that tasks are made of.
    nearest : Tensor
        int64 (n, n): for each of them all of them by distance of the class means, itself first.
    """

    classes: Tensor
    nearest: Tensor

    @classmethod
    def of(cls, classes: Tensor, means: Tensor) -> TaskSampler:
        """Order classes by the distance of their standardised means (n, features)."""
        distances = torch.cdist(means, means)
        # Rounding may put another class of the same mean first.
        distances.fill_diagonal_(-1)
        return cls(classes, classes[distances.argsort(dim=1, stable=True)])

    def random(self, n: int, way: int, rng: torch.Generator) -> Tensor:
        """Draw n tasks of random classes, (n, way)."""
        return torch.stack([_some(self.classes, way, rng) for _ in range(n)])

    def similar(self, n: int, way: int, rng: torch.Generator) -> Tensor:
        """Draw n tasks of an anchor and the classes nearest to it, (n, way)."""
        anchors = torch.randint(len(self.classes), (n,), generator=rng)
        return self.nearest[anchors, :way]


def _some(values: Tensor, n: int, rng: torch.Generator) -> Tensor:
    return values[torch.randperm(len(values), generator=rng)[:n]]

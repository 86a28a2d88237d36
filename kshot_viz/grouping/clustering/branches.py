"""The upper branches of a dendrogram: groups of a layer by splits from the root down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from kshot_viz.grouping.clustering.cluster_cache import ClusteredLayer
from kshot_viz.grouping.labels import Labels


@dataclass(frozen=True)
class Branches:
    """The upper branches of a layer's dendrogram.

    Attributes
    ----------
    parts : tuple of int
        The part of each neuron; parts are the groups where every branch is split.
    dead : int or None
        The part that holds the dead neurons; it is never joined with others.
    splits : tuple of (tuple of int, tuple of int)
        From the root down, the parts on both sides of a branch.
    """

    parts: tuple[int, ...]
    dead: int | None
    splits: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]

    @classmethod
    def of(cls, layer: ClusteredLayer, depth: int) -> Self:
        """Cut a clustered layer once more for every branch, ``depth`` times at most."""
        parts, dead = layer.labels(min(depth + 1, layer.width))
        count = int(parts.max()) + (0 if dead is not None else 1)
        splits = [
            _halves(parts, layer.labels(n)[0], layer.labels(n + 1)[0]) for n in range(1, count)
        ]
        return cls(tuple(parts.tolist()), dead, tuple(splits))

    def labels(self, split: Sequence[bool]) -> Labels:
        """Return the group of each neuron; a branch inside one that is kept has no effect."""
        whole = frozenset(range(max(self.parts) + 1)) - {self.dead}
        groups = [whole]
        for chosen, (left, right) in zip(split, self.splits, strict=True):
            branch = frozenset(left + right)
            if chosen and branch in groups:
                groups[groups.index(branch) : groups.index(branch) + 1] = [
                    frozenset(left),
                    frozenset(right),
                ]
        if self.dead is not None:
            groups.append(frozenset({self.dead}))
        group_of = {part: number for number, group in enumerate(groups) for part in group}
        return np.array([group_of[part] for part in self.parts])

    @property
    def size(self) -> int:
        """Number of different groupings."""
        return _groupings(frozenset(range(max(self.parts) + 1)) - {self.dead}, self.splits)


def _halves(
    parts: Labels, before: Labels, after: Labels
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the parts on both sides of the one branch that two nested cuts differ by."""
    pairs = {(int(old), int(new)) for old, new in zip(before, after, strict=True)}
    olds = [old for old, _ in pairs]
    broken = next(old for old in olds if olds.count(old) == 2)
    sides = sorted(new for old, new in pairs if old == broken)
    left, right = (tuple(sorted(set(parts[after == side].tolist()))) for side in sides)
    return left, right


def _groupings(group: frozenset[int | None], splits: Sequence[Any]) -> int:
    """Return the number of groupings that a branch can be split into."""
    for left, right in splits:
        if frozenset(left + right) == group:
            return 1 + _groupings(frozenset(left), splits) * _groupings(frozenset(right), splits)
    return 1

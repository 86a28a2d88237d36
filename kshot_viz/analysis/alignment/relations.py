"""The six relations between representations, gradients and weights, as correlations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from kshot_viz.analysis.alignment.moments import KINDS, Array, Moments
from kshot_viz.seeds import numpy_rng

# b: backward, the input side a; f: forward, the output side b.
RELATIONS = {
    "b-RGA": ("H_a", "G_a"),
    "b-RWA": ("H_a", "Z_a"),
    "b-GWA": ("G_a", "Z_a"),
    "f-RGA": ("H_b", "G_b"),
    "f-RWA": ("H_b", "Z_b"),
    "f-GWA": ("G_b", "Z_b"),
}
# Rows of a matrix beyond which one random rotation is enough.
WIDE = 512
SIDES = {"b": "input", "f": "output"}


def entry_correlation(first: Array, second: Array) -> float:
    """Return Pearson's correlation of the entries of two matrices; NaN where one is constant."""
    a, b = (one.ravel() - one.mean() for one in (first, second))
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    flat = any(
        np.linalg.norm(one) <= 1e-12 * max(np.abs(whole).max(), np.finfo(float).tiny)
        for one, whole in ((a, first), (b, second))
    )
    return float("nan") if flat or norms == 0 else float(np.clip(a @ b / norms, -1.0, 1.0))


def rotated_correlation(first: Array, turned: Sequence[Array]) -> float:
    """Return the mean correlation with random rotations of another matrix; see :func:`turns`."""
    return float(np.mean([entry_correlation(first, one) for one in turned]))


def turns(matrix: Array, rotations: int, seed: int) -> list[Array]:
    """Return random rotations of a matrix, which keep its spectrum.

    Beyond :data:`WIDE` rows one rotation stands for all: correlations with them hardly differ, and
    each takes seconds.
    """
    size = len(matrix)
    several = (_rotation(size, seed, i) for i in range(rotations if size <= WIDE else 1))
    return [turn @ matrix @ turn.T for turn in several]


def relation_rows(
    trained: Moments, untrained: Moments, rotations: int, seed: int
) -> Iterator[tuple[str, str, str, float, float, float]]:
    """Yield kind, relation, side, value, and the value untrained and rotated."""
    # Z is the same in both kinds, and stands in two relations of each.
    turned_z = {name: turns(trained.matrix(name), rotations, seed) for name in ("Z_a", "Z_b")}
    for kind in KINDS:
        turned_g = {g: turns(trained.matrix(g, kind), rotations, seed) for g in ("G_a", "G_b")}
        turned = turned_z | turned_g
        for relation, (a, b) in RELATIONS.items():
            first = trained.matrix(a, kind)
            value = entry_correlation(first, trained.matrix(b, kind))
            before = entry_correlation(untrained.matrix(a, kind), untrained.matrix(b, kind))
            by_chance = rotated_correlation(first, turned[b])
            yield kind, relation, SIDES[relation[0]], value, before, by_chance


@lru_cache(maxsize=4)
def _rotation(size: int, seed: int, number: int) -> Array:
    """Return an orthogonal matrix, uniform over all of them; the relations of a side share it."""
    values = numpy_rng(seed, "rotation", size, number).standard_normal((size, size))
    q, r = np.linalg.qr(values)
    return q * np.sign(np.diag(r))

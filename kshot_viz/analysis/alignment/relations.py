"""The six relations between representations, gradients and weights, as correlations."""

from __future__ import annotations

from collections.abc import Iterator
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


def rotated_correlation(first: Array, second: Array, rotations: int, seed: int) -> float:
    """Return the mean correlation after random rotations of the second, which keep its spectrum."""
    found = [
        entry_correlation(first, turn @ second @ turn.T)
        for turn in (_rotation(len(second), seed, i) for i in range(rotations))
    ]
    return float(np.mean(found))


def relation_rows(
    trained: Moments, untrained: Moments, rotations: int, seed: int
) -> Iterator[tuple[str, str, str, float, float, float]]:
    """Yield kind, relation, side, value, and the value untrained and rotated."""
    for kind in KINDS:
        for relation, (a, b) in RELATIONS.items():
            pairs = [(one.matrix(a, kind), one.matrix(b, kind)) for one in (trained, untrained)]
            value, before = (entry_correlation(*pair) for pair in pairs)
            turned = rotated_correlation(*pairs[0], rotations, seed)
            yield kind, relation, SIDES[relation[0]], value, before, turned


@lru_cache(maxsize=4)
def _rotation(size: int, seed: int, number: int) -> Array:
    """Return an orthogonal matrix, uniform over all of them; the relations of a side share it."""
    values = numpy_rng(seed, "rotation", size, number).standard_normal((size, size))
    q, r = np.linalg.qr(values)
    return q * np.sign(np.diag(r))

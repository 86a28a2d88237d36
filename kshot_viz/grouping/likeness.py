"""Whether neurons of a group are more alike than neurons of groups with shuffled members."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.labels import Labels, canonical

# Similarities that are looked up at a time: 16 MB.
_AT_ONCE = 2**21


@dataclass(frozen=True, eq=False)
class Likeness:
    """Similarity within the groups of a layer, between them, and within shuffled groups.

    Attributes
    ----------
    within, between : float
        Mean similarity of two neurons of one group, and of two groups.
    shuffled : ndarray, shape (draws,)
        ``within`` of groups of the same sizes, members drawn at random.
    """

    within: float
    between: float
    shuffled: NDArray[np.float64]


def likeness(
    similarity: ArrayLike, labels: ArrayLike, *, draws: int, rng: np.random.Generator
) -> Likeness | None:
    """Compare the similarity of neurons in one group with that of neurons in two.

    Parameters
    ----------
    similarity : array_like, shape (neurons, neurons)
        Symmetric; the diagonal does not matter.
    labels : array_like of int, shape (neurons,)
    draws : int
        How often the members are drawn at random.
    rng : Generator

    Returns
    -------
    Likeness or None
        None where no two neurons share a group, or all do.

    Raises
    ------
    KShotValueError
        When the matrix has not one row a neuron.
    """
    groups, matrix = canonical(labels), np.asarray(similarity, dtype=np.float64)
    if matrix.shape != (groups.size, groups.size):
        raise KShotValueError(
            f"The similarities have shape {matrix.shape}, for {groups.size} neurons."
        )
    first, second = np.triu_indices(groups.size, 1)
    same = groups[first] == groups[second]
    if not same.any() or same.all():
        return None
    pairs = first[same], second[same]
    return Likeness(
        within=float(matrix[pairs].mean()),
        between=float(matrix[first[~same], second[~same]].mean()),
        shuffled=_shuffled(matrix, pairs, draws, rng),
    )


def cosines(rows: ArrayLike) -> NDArray[np.float64]:
    """Return the cosines between rows, shape (neurons, neurons); 0 for rows of zeros."""
    values = np.asarray(rows, dtype=np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    units = np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0)
    return units @ units.T


def _shuffled(
    matrix: NDArray[np.float64], pairs: tuple[Labels, Labels], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the mean of the pairs for each of some random orders of the neurons."""
    neurons = np.arange(len(matrix))
    found = np.empty(draws)
    step = max(1, _AT_ONCE // pairs[0].size)
    for start in range(0, draws, step):
        some = min(step, draws - start)
        orders = rng.permuted(np.broadcast_to(neurons, (some, neurons.size)).copy(), axis=1)
        values = matrix[orders[:, pairs[0]], orders[:, pairs[1]]]
        found[start : start + some] = values.mean(axis=1)
    return found

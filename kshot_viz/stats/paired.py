"""Paired tests of two methods on the same episodes, and Holm's adjustment (scipy)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kshot_viz.errors import KShotValueError
from kshot_viz.stats.intervals import Interval, as_sample, bootstrap_mean

# Up to so many differences with ties or zeros are tested by permuting their signs, as in scipy.
_PERMUTED = 13


@dataclass(frozen=True)
class PairedTest:
    """The mean difference of two paired samples, its interval, and Wilcoxon's p-value."""

    difference: Interval
    p_value: float


def paired_test(
    first: ArrayLike, second: ArrayLike, *, level: float = 0.95, seed: int = 0
) -> PairedTest:
    """Compare two methods on the same episodes: ``first - second``.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        Accuracies, paired by position.
    level : float
        Coverage of the interval.
    seed : int
        Seed of its resampling.

    Returns
    -------
    PairedTest
        Bootstrap interval of the mean difference and the two-sided Wilcoxon signed-rank p-value
        (1.0 where every difference is zero, NaN for fewer than two pairs).
    """
    a, b = as_sample(first), as_sample(second)
    if a.shape != b.shape:
        raise KShotValueError(f"Paired samples need equal lengths; not {a.size} and {b.size}.")
    differences = paired_differences(a, b)
    return PairedTest(
        bootstrap_mean(differences, level=level, seed=seed), _wilcoxon(tuple(differences.tolist()))
    )


def paired_differences(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Return ``first - second``; accuracies are shares of one count: rounding alone is a tie."""
    return np.round(np.asarray(first, dtype=float) - np.asarray(second, dtype=float), 12)


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Adjust p-values for their number (Holm, 1979). NaN stays NaN and is not counted."""
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = (known.size - np.arange(known.size)) * p[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


# Tables are made again and again of the same differences.
@lru_cache(maxsize=4096)
def _wilcoxon(differences: tuple[float, ...]) -> float:
    if len(differences) < 2 or any(map(math.isnan, differences)):
        return float("nan")
    if not any(differences):
        return 1.0
    from scipy.stats import wilcoxon

    distinct = len({abs(one) for one in differences if one}) == len(differences)
    if not distinct and len(differences) <= _PERMUTED:
        return _signs_permuted(np.array(differences))
    return float(wilcoxon(differences).pvalue)


def _signs_permuted(values: NDArray[np.float64]) -> float:
    """Return the exact p-value of few differences with ties or zeros.

    ``scipy.stats.wilcoxon`` makes the same test, but ranks the values anew for every choice of
    their signs: seconds for a table.
    """
    from scipy.stats import permutation_test, rankdata

    ranks = np.zeros(values.shape)
    ranks[values != 0] = rankdata(np.abs(values[values != 0]))

    def positive_ranks(drawn: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        return np.asarray(((drawn > 0) * ranks).sum(axis=axis))

    found = permutation_test(
        (values,), positive_ranks, permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    return float(found.pvalue)

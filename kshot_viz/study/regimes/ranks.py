"""Average ranks of methods over data sets, and what differences between them can be by chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kshot_viz.errors import unknown_name
from kshot_viz.study.task import TASK

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Ranks:
    """Average ranks of methods over data sets; 1 is the best.

    Of several tasks on the same images, which are not independent, the mean rank counts once.

    Attributes
    ----------
    average : Series
        Indexed by method, the best first.
    difference : float
        The critical difference: ranks that are closer do not differ at the level of 5 % (Nemenyi's
        test; Demsar, JMLR 2006). NaN for fewer than two data sets or methods.
    p_value : float
        Of Friedman's test that all methods rank alike; NaN for fewer than three methods.
    tasks, data_sets : int
    left_out : tuple of str
        Methods that lack a task, since they cannot be used there.
    """

    average: pd.Series[float]
    difference: float
    p_value: float
    tasks: int
    data_sets: int
    left_out: tuple[str, ...]


def average_ranks(regrets: pd.DataFrame, regime: str, rule: str, sets: Mapping[str, str]) -> Ranks:
    """Return the ranks of :meth:`Study.ranks`; ``sets`` names the data set of each data."""
    for name, value in (("regime", regime), ("rule", rule)):
        if value not in set(regrets[name]):
            raise unknown_name(name, value, list(dict.fromkeys(regrets[name])))
    rows = regrets[(regrets["regime"] == regime) & (regrets["rule"] == rule)]
    wide = rows.pivot_table("accuracy", TASK, "method", sort=False)
    lacking = tuple(str(name) for name in wide if wide[name].isna().any())
    # What differs by rounding alone shares a rank.
    ranks = wide.drop(columns=list(lacking)).round(12).rank(axis=1, ascending=False)
    by_set = ranks.groupby(ranks.index.get_level_values("data").map(sets)).mean()
    average = by_set.mean().sort_values(kind="stable")
    n, k = by_set.shape
    found = critical_difference(k, n), _friedman(by_set.to_numpy())
    return Ranks(average, *found, len(wide), n, lacking)


def critical_difference(methods: int, data_sets: int) -> float:
    """Return Nemenyi's critical difference of average ranks at 5 %."""
    from scipy.stats import studentized_range

    if methods < 2 or data_sets < 2:
        return float("nan")
    q = studentized_range.ppf(0.95, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * data_sets)))


def _friedman(ranks: np.ndarray) -> float:
    from scipy.stats import friedmanchisquare

    data_sets, methods = ranks.shape
    if methods < 3 or data_sets < 2:
        return float("nan")
    # Where all methods are equal everywhere there is no rank to test.
    if (ranks == ranks[:, :1]).all():
        return 1.0
    return float(friedmanchisquare(*ranks.T).pvalue)

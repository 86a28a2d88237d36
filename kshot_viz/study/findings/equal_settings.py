"""How two methods differ where both ran with the same step sizes and number of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kshot_viz.stats import bootstrap_mean, paired_differences
from kshot_viz.study.tables import paired
from kshot_viz.study.task import TASK

if TYPE_CHECKING:
    import pandas as pd

# What is equal: the values of all tuned settings, and the number of steps.
VALUES = ["tuned", "steps"]
EQUAL = [*TASK, "difference", "low", "high", "n", "settings"]


def at_equal_settings(frame: pd.DataFrame, method: str, other: str) -> pd.DataFrame:
    """Estimate the difference of two methods over all settings that both ran with.

    Parameters
    ----------
    frame : DataFrame
        Rows of a comparison, of which those of tuning episodes count.
    method, other : str

    Returns
    -------
    DataFrame
        The task, ``difference, low, high, n, settings``: the mean over ``n`` episodes, with its
        95 % bootstrap interval, of the mean difference in an episode over the settings that both
        ran with there; ``settings`` is the number of different ones. No row for a task in which
        the two have no setting in common.
    """
    import pandas as pd

    tuning = frame[frame["pool"] == "val"]
    made = [
        {**dict(zip(TASK, key, strict=True)), **found}
        for key, rows in tuning.groupby(TASK)
        if (found := _difference(rows, method, other))
    ]
    return pd.DataFrame(made, columns=EQUAL)


def _difference(rows: pd.DataFrame, method: str, other: str) -> dict[str, Any]:
    first, second = (
        rows[rows["method"] == name].set_index(["episode", *VALUES])["accuracy"]
        for name in (method, other)
    )
    # Both have each setting of an episode once: what is in common is a pair of runs.
    common = first.index.intersection(second.index)
    if not len(common):
        return {}
    means = (one[common].groupby("episode").mean() for one in (first, second))
    mean = bootstrap_mean(paired_differences(*paired(*means)))
    settings = len(common.to_frame()[VALUES].drop_duplicates())
    known = {"difference": mean.mean, "low": mean.low, "high": mean.high}
    return {**known, "n": mean.n, "settings": settings}

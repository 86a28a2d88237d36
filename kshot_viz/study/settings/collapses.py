"""At which step sizes runs collapse, method by method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kshot_viz.study.settings.choice import METHOD, collapsed

if TYPE_CHECKING:
    import pandas as pd


def collapses(frame: pd.DataFrame) -> pd.DataFrame:
    """Count the collapsed runs of each method at each step size.

    Parameters
    ----------
    frame : DataFrame
        Rows of tuning episodes.

    Returns
    -------
    DataFrame
        The task, ``method, step_size, n, collapsed``: of ``n`` runs, with any setting beside the
        step size, so many collapsed; see :func:`kshot_viz.study.settings.choice.choose`.
    """
    groups = frame.assign(collapsed=collapsed(frame)).groupby([*METHOD, "step_size"], sort=True)
    return groups.agg(n=("collapsed", "size"), collapsed=("collapsed", "sum")).reset_index()

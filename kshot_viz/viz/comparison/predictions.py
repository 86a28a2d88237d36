"""The prediction of every single query in a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.stats import bootstrap_shares
from kshot_viz.study.comparison import episode_key
from kshot_viz.study.task import TASK
from kshot_viz.viz.comparison.selection import ordered_methods, records, task_rows

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.data.episodes.episode import Episode
    from kshot_viz.study.comparison import Comparison

COLUMNS = [*TASK, "episode", "image", "truth", "predicted"]


def predictions_frame(
    comparison: Comparison, method: str, *, way: int | None = None, shot: int | None = None
) -> pd.DataFrame:
    """Return every prediction of a method for the queries of one task.

    Parameters
    ----------
    comparison : Comparison
    method : str
    way : int, optional
        Number of classes; needed where the comparison has several.
    shot : int, optional
        The smallest by default.

    Returns
    -------
    DataFrame
        ``way, shot, episode, image, truth, predicted``: the image's index in the data set and two
        indices of classes. Runs that diverged predicted nothing; ``.attrs["diverged"]`` counts
        them.

    Raises
    ------
    KShotKeyError
        If the method did not take part.
    KShotValueError
        If all of its runs diverged.
    """
    import pandas as pd

    if method not in set(comparison.settings["method"]):
        raise unknown_name("method", method, ordered_methods(comparison.settings))
    rows = task_rows(comparison, way, shot)
    rows = rows[rows["method"] == method]
    parts = [_predictions(row, comparison.episodes[episode_key(row)]) for row in records(rows)]
    finished = [part for part in parts if len(part)]
    if not finished:
        raise KShotValueError(f"No run of {method!r} made predictions: all {len(parts)} diverged.")
    frame = pd.concat(finished, ignore_index=True)
    frame.attrs["diverged"] = len(parts) - len(finished)
    return frame


def class_names(comparison: Comparison) -> list[str]:
    """Return the names of the classes, by index."""
    return list(map(str, comparison.manifest["data"]["classes"]))


def share_columns(hits: NDArray[Any], totals: NDArray[Any]) -> dict[str, Any]:
    """Return the columns ``share, low, high, count, n`` of shares over all episodes.

    Parameters
    ----------
    hits, totals : arrays of shape (episodes, k)
        Counts of ``k`` shares.

    Returns
    -------
    dict of str to array of shape (k,)
        Shares in percent, with 95 % intervals from resampling whole episodes.
    """
    low, high = bootstrap_shares(hits, totals)
    count, n = hits.sum(axis=0), totals.sum(axis=0)
    with np.errstate(invalid="ignore"):
        share = 100 * count / n
    return {"share": share, "low": 100 * low, "high": 100 * high, "count": count, "n": n}


def _predictions(row: dict[str, Any], episode: Episode) -> pd.DataFrame:
    import pandas as pd

    predicted = np.asarray(list(row["predicted"]), dtype=np.int64)
    classes = np.asarray(episode.classes, dtype=np.int64)
    if not predicted.size:
        return pd.DataFrame(columns=COLUMNS)
    return pd.DataFrame(
        {
            **{name: row[name] for name in TASK},
            "episode": row["episode"],
            "image": np.asarray(episode.query, dtype=np.int64),
            # Queries are ordered by class, with the same number of each.
            "truth": np.repeat(classes, episode.query_per_class),
            "predicted": classes[predicted],
        }
    )

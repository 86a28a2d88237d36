"""Predictions of every query in a comparison, and the confusion matrix of a method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.stats import bootstrap_shares
from kshot_viz.study.task import TASK, episode_key
from kshot_viz.text import counted
from kshot_viz.viz.comparison.selection import (
    only_task,
    ordered_methods,
    records,
    task_name,
    task_rows,
)
from kshot_viz.viz.style.canvas import colour_bar, entitle, new_axes
from kshot_viz.viz.style.colours import method_label
from kshot_viz.viz.style.intervals import shortened

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.data.episodes.episode import Episode
    from kshot_viz.study.comparison import Comparison

COLUMNS = [*TASK, "episode", "image", "truth", "predicted"]
# Beyond so many classes numbers no longer fit into the cells, nor all names beside them.
NUMBERED, NAMED = 20, 60
_LONGEST = 18


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
    """Return the columns ``share, low, high, count, n``, each of shape (k,).

    ``hits`` and ``totals`` are counts of shape (episodes, k). Shares are in percent, with 95 %
    intervals from resampling whole episodes.
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
            # Queries are ordered by class.
            "truth": np.repeat(classes, episode.query_counts),
            "predicted": classes[predicted],
        }
    )


def confusion_frame(
    comparison: Comparison,
    method: str = "plain",
    *,
    way: int | None = None,
    shot: int | None = None,
) -> pd.DataFrame:
    """Return how often each class was predicted for each, over all test episodes of one task.

    Parameters
    ----------
    comparison, method, way, shot
        As in :func:`predictions_frame`.

    Returns
    -------
    DataFrame
        ``truth, predicted, share, low, high, count, n``: class names, the share of the ``n``
        predictions for images of that class in percent, and its 95 % interval, from resampling
        whole episodes. One row for every pair of classes that appeared, diagonal included.
    """
    import pandas as pd

    rows = predictions_frame(comparison, method, way=way, shot=shot)
    names = class_names(comparison)
    here = sorted({*rows["truth"], *rows["predicted"]})
    counts = _counts(rows, here)
    episodes, k, _ = counts.shape
    totals = np.repeat(counts.sum(axis=2), k, axis=1)
    frame = pd.DataFrame(
        {
            "truth": [names[c] for c in here for _ in here],
            "predicted": [names[c] for _ in here for c in here],
            **share_columns(counts.reshape(episodes, -1), totals),
        }
    )
    frame.attrs |= {"diverged": rows.attrs["diverged"], "episodes": episodes}
    frame.attrs["task"] = only_task(rows)
    return frame


def plot_confusion(
    comparison: Comparison,
    method: str = "plain",
    *,
    way: int | None = None,
    shot: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the confusion matrix of a method: true classes in rows, predicted ones in columns.

    Parameters
    ----------
    comparison, method, way, shot
        As in :func:`confusion_frame`.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Notes
    -----
    Colours follow the square root of the share, so that rare mistakes are seen beside frequent
    hits.
    """
    from matplotlib.colors import PowerNorm

    frame = confusion_frame(comparison, method, way=way, shot=shot)
    names = list(dict.fromkeys(frame["truth"]))
    table = frame["share"].to_numpy().reshape(len(names), -1)
    side = float(np.clip(1.6 + 0.52 * len(names), 4.6, 10.0))
    ax = new_axes(ax, (side + 0.8, side))
    norm = PowerNorm(0.5, vmin=0, vmax=100)
    image = ax.imshow(table, cmap="Blues", norm=norm, interpolation="nearest")
    colour_bar(ax, image, "share of the predictions for a class, %", [0, 5, 25, 50, 100])
    _label_classes(ax, names)
    if len(names) <= NUMBERED:
        _write_shares(ax, frame, len(names))
    entitle(
        ax,
        f"Predictions of {method_label(method)}, {task_name(frame.attrs['task'])}",
        _note(frame, len(names)),
    )
    return ax


def _counts(rows: pd.DataFrame, here: list[int]) -> Any:
    """Count predictions, shape (episodes, classes, classes): true class, then predicted."""
    index = {c: i for i, c in enumerate(here)}
    episodes = {name: i for i, name in enumerate(dict.fromkeys(rows["episode"]))}
    counts = np.zeros((len(episodes), len(here), len(here)), dtype=np.int64)
    where = tuple(
        rows[column].map(known).to_numpy()
        for column, known in (("episode", episodes), ("truth", index), ("predicted", index))
    )
    np.add.at(counts, where, 1)
    return counts


def _label_classes(ax: Axes, names: list[str]) -> None:
    every = int(np.ceil(len(names) / NAMED))
    rows = range(0, len(names), every)
    short = [shortened(names[i], _LONGEST) for i in rows]
    small: dict[str, Any] = {"fontsize": 9 if len(names) <= NUMBERED else 6.5, "parse_math": False}
    upright = max(map(len, short)) <= 3
    ax.set_yticks(rows, short, **small)
    ax.set_xticks(rows, short, rotation=0 if upright else 90, **small)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_ylabel("shown", fontsize=10)
    ax.set_xlabel("predicted", fontsize=10)


def _write_shares(ax: Axes, frame: pd.DataFrame, k: int) -> None:
    for cell, (share, low, high) in enumerate(
        frame[["share", "low", "high"]].itertuples(index=False)
    ):
        if not share > 0:
            continue
        row, column = divmod(cell, k)
        # Chosen for the cell that it is written on, whatever the background of the page.
        colour = "#FFFFFF" if share > 45 else "#000000"
        known = row == column and low == low
        ax.text(
            column,
            row - (0.14 if known else 0),
            f"{share:.0f}" if share >= 1 else "<1",
            ha="center",
            va="center",
            fontsize=8.5 if share >= 1 else 7,
            color=colour,
        )
        if known:
            text = f"{low:.0f}\u2013{high:.0f}"
            ax.text(column, row + 0.24, text, ha="center", va="center", fontsize=6.5, color=colour)


def _note(frame: pd.DataFrame, k: int) -> str:
    per_class = frame["n"][:: k + 1]
    low, high = int(per_class.min()), int(per_class.max())
    each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    parts = [
        f"{counted(frame.attrs['episodes'], 'test episode')}, {each} predictions a class, in %"
    ]
    if k <= NUMBERED:
        parts.append("small: 95 % interval of the right predictions")
    if frame.attrs["diverged"]:
        parts.append(f"{counted(frame.attrs['diverged'], 'run')} diverged and predicted nothing")
    return "; ".join(parts)

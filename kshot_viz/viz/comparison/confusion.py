"""Which class is taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.stats import bootstrap_shares
from kshot_viz.text import counted
from kshot_viz.viz.comparison.predictions import answers_frame, class_names
from kshot_viz.viz.comparison.tasks import task_name
from kshot_viz.viz.style.canvas import entitle, new_axes
from kshot_viz.viz.style.colours import method_label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.study.comparison import Comparison

# Beyond so many classes numbers no longer fit into the cells, nor all names beside them.
NUMBERED, NAMED = 20, 60
_LONGEST = 18


def confusion_frame(
    comparison: Comparison,
    method: str = "plain",
    *,
    way: int | None = None,
    shot: int | None = None,
) -> pd.DataFrame:
    """Return how often each class was taken for each, over all test episodes of one task.

    Parameters
    ----------
    comparison, method, way, shot
        As in :func:`kshot_viz.viz.comparison.predictions.answers_frame`.

    Returns
    -------
    DataFrame
        ``truth, answer, share, low, high, count, n``: class names, the share of the ``n`` answers
        to images of that class in percent, and its 95 % interval, from drawing whole episodes
        again. One row for every pair of classes that appeared, diagonal included.
    """
    import pandas as pd

    answers = answers_frame(comparison, method, way=way, shot=shot)
    names = class_names(comparison)
    here = sorted({*answers["truth"], *answers["answer"]})
    counts = _counts(answers, here)
    episodes, k, _ = counts.shape
    totals = np.repeat(counts.sum(axis=2), k, axis=1)
    low, high = bootstrap_shares(counts.reshape(episodes, -1), totals)
    count, n = counts.sum(axis=0).ravel(), totals.sum(axis=0)
    with np.errstate(invalid="ignore"):
        share = 100 * count / n
    frame = pd.DataFrame(
        {
            "truth": [names[c] for c in here for _ in here],
            "answer": [names[c] for _ in here for c in here],
            "share": share,
            "low": 100 * low,
            "high": 100 * high,
            "count": count,
            "n": n,
        }
    )
    frame.attrs |= {"silent": answers.attrs["silent"], "episodes": episodes}
    frame.attrs["task"] = tuple(int(one) for one in answers[["way", "shot"]].iloc[0])
    return frame


def plot_confusion(
    comparison: Comparison,
    method: str = "plain",
    *,
    way: int | None = None,
    shot: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the confusion matrix of a method: rows are what was shown, columns what was answered.

    Parameters
    ----------
    comparison, method, way, shot
        As in :func:`confusion_frame`.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Notes
    -----
    Colours follow the square root of the share, so that rare mistakes are seen beside frequent
    right answers.
    """
    from matplotlib.colors import PowerNorm

    frame = confusion_frame(comparison, method, way=way, shot=shot)
    names = list(dict.fromkeys(frame["truth"]))
    table = frame["share"].to_numpy().reshape(len(names), -1)
    side = float(np.clip(1.6 + 0.52 * len(names), 4.6, 10.0))
    ax = new_axes(ax, (side + 0.8, side))
    norm = PowerNorm(0.5, vmin=0, vmax=100)
    image = ax.imshow(table, cmap="Blues", norm=norm, interpolation="nearest")
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.7, pad=0.02, ticks=[0, 5, 25, 50, 100])
    bar.set_label("share of the answers to a class, %", fontsize=9)
    bar.ax.tick_params(labelsize=9)
    bar.outline.set_visible(False)  # type: ignore[operator]
    _name(ax, names)
    if len(names) <= NUMBERED:
        _number(ax, frame, len(names))
    way_shot = task_name(*frame.attrs["task"])
    entitle(ax, f"Answers of {method_label(method)}, {way_shot}", _note(frame, len(names)))
    return ax


def _counts(answers: pd.DataFrame, here: list[int]) -> Any:
    """Return the number of answers, shape (episodes, classes, classes): truth, then answer."""
    place = {c: i for i, c in enumerate(here)}
    episodes = {name: i for i, name in enumerate(dict.fromkeys(answers["episode"]))}
    counts = np.zeros((len(episodes), len(here), len(here)), dtype=np.int64)
    where = tuple(
        answers[column].map(known).to_numpy()
        for column, known in (("episode", episodes), ("truth", place), ("answer", place))
    )
    np.add.at(counts, where, 1)
    return counts


def _name(ax: Axes, names: list[str]) -> None:
    every = int(np.ceil(len(names) / NAMED))
    places = range(0, len(names), every)
    short = [shortened(names[i]) for i in places]
    small: dict[str, Any] = {"fontsize": 9 if len(names) <= NUMBERED else 6.5, "parse_math": False}
    upright = max(map(len, short)) <= 3
    ax.set_yticks(places, short, **small)
    ax.set_xticks(places, short, rotation=0 if upright else 90, **small)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_ylabel("shown", fontsize=10)
    ax.set_xlabel("answered", fontsize=10)


def _number(ax: Axes, frame: pd.DataFrame, k: int) -> None:
    for place, (share, low, high) in enumerate(
        frame[["share", "low", "high"]].itertuples(index=False)
    ):
        if not share > 0:
            continue
        row, column = divmod(place, k)
        # On its field, whatever the page: not the ink of the page.
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


def shortened(name: str, longest: int = _LONGEST) -> str:
    """Return a name that is not longer than there is room for."""
    return name if len(name) <= longest else f"{name[: longest - 1]}\u2026"


def _note(frame: pd.DataFrame, k: int) -> str:
    per_class = frame["n"][:: k + 1]
    low, high = int(per_class.min()), int(per_class.max())
    each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    parts = [f"{counted(frame.attrs['episodes'], 'test episode')}, {each} answers a class, in %"]
    if k <= NUMBERED:
        parts.append("small: 95 % interval of the right answers")
    if frame.attrs["silent"]:
        parts.append(f"{counted(frame.attrs['silent'], 'run')} diverged and answered nothing")
    return "; ".join(parts)

"""Loss and accuracy on the support, step by step of a fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.errors import KShotValueError
from kshot_viz.viz.style.canvas import (
    entitle,
    legend_outside,
    new_axes,
    percent_axis,
    text_colour,
    tidy,
)
from kshot_viz.viz.style.colours import method_styles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.finetune.result import FinetuneResult

_COLUMNS = ("step", "loss", "accuracy")


def plot_history(
    result: FinetuneResult | pd.DataFrame | Mapping[str, Any], *, ax: Axes | None = None
) -> Axes:
    """Draw the support's loss (lines, left) and accuracy (faint steps, right) against the step.

    Parameters
    ----------
    result : FinetuneResult, DataFrame or mapping of str to either
        A run, its ``.history``, or several by method or any other name.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        That of the loss; accuracy is on its twin.

    Raises
    ------
    KShotValueError
        If there is no run, or a frame without ``step, loss, accuracy``.

    Notes
    -----
    The support is what was trained on: an accuracy of 100 % says nothing about new images. A cross
    marks the last finite loss of a run that diverged.
    """
    frame = _history_frame(result)
    ax = new_axes(ax, (7.4, 4.0))
    right = percent_axis(ax, "support accuracy, %")
    styles = method_styles(frame["run"])
    for run, style in styles.items():
        part = frame[frame["run"] == run]
        ax.plot(part["step"], part["loss"], color=style.colour, label=style.label, linewidth=1.8)
        right.step(part["step"], part["accuracy"], color=style.colour, alpha=0.45, where="post")
        _mark_end(ax, part, style.colour)
    _scale(ax, frame)
    if len(styles) > 1:
        legend_outside(ax)
        ax.get_legend().set_bbox_to_anchor((1.12, 1.0))  # type: ignore[union-attr]
    entitle(ax, _title(frame), "thick: loss, left; faint: accuracy, right")
    return ax


def _history_frame(result: Any) -> pd.DataFrame:
    """Return ``run, step, loss, accuracy`` with accuracy in percent and infinite losses as NaN."""
    import pandas as pd

    runs = result if isinstance(result, Mapping) else {_name(result): result}
    if not runs:
        raise KShotValueError("`result` holds no run to draw.")
    frame = pd.concat(
        [_history(run, name).assign(run=str(name)) for name, run in runs.items()],
        ignore_index=True,
    )
    frame["loss"] = frame["loss"].where(np.isfinite(frame["loss"]))
    frame["accuracy"] = 100 * frame["accuracy"]
    return frame[["run", *_COLUMNS]]


def _name(result: Any) -> str:
    return str(getattr(result, "method", "support"))


def _history(run: Any, name: object) -> pd.DataFrame:
    history = getattr(run, "history", run)
    missing = [column for column in _COLUMNS if column not in getattr(history, "columns", ())]
    if missing:
        raise KShotValueError(
            f"Run {name!r} has no history with {', '.join(_COLUMNS)}; give a FinetuneResult, its "
            f"`.history`, or a mapping of names to those; not {type(run).__name__}."
        )
    return history[list(_COLUMNS)]


def _mark_end(ax: Axes, part: pd.DataFrame, colour: str) -> None:
    finite = part.dropna(subset="loss")
    if len(finite) == len(part):
        return
    first_bad = int(part.loc[part["loss"].isna(), "step"].iloc[0])
    if len(finite):
        last = finite.iloc[-1]
        ax.plot(last["step"], last["loss"], "X", markersize=9, color=colour)
        ax.annotate(
            f"diverged at step {first_bad}",
            (last["step"], last["loss"]),
            (8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=text_colour(ax),
        )


def _scale(ax: Axes, frame: pd.DataFrame) -> None:
    from matplotlib.ticker import MaxNLocator

    tidy(ax, grid="y")
    ax.set_xlabel("step", fontsize=10)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylabel("support loss", fontsize=10)
    if _spans_decades(frame["loss"]):
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    else:
        ax.set_ylim(0, 1.06 * frame["loss"].max() if frame["loss"].notna().any() else 1)


def _spans_decades(losses: pd.Series[float]) -> bool:
    """Return whether most losses would lie at the bottom of a linear axis."""
    finite = losses.dropna()
    return bool(len(finite) and finite.min() > 0 and finite.max() > 100 * finite.median())


def _title(frame: pd.DataFrame) -> str:
    runs = list(dict.fromkeys(frame["run"]))
    alone = len(runs) == 1 and runs[0] != "support"
    return "Fine-tuning on the support" + (
        f", {method_styles(runs)[runs[0]].label}" if alone else ""
    )

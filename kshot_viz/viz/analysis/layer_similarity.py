"""How alike the layers of two networks are, as a heat map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.analysis.similarity.measures import MEASURES
from kshot_viz.errors import KShotValueError
from kshot_viz.text import counted, isolated
from kshot_viz.viz.style.canvas import colour_bar, entitle, new_axes
from kshot_viz.viz.style.colours import text_on

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLOURS = "viridis"
# Inches: a cell with a number in it, and the largest picture.
_CELL, _TALL, _LARGEST = 0.62, 0.36, 9.0
_MOST_NUMBERS, _LETTERS, _NAMES = 14, 26, 40
_P = 0.05


def plot_layer_similarity(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the similarity of every pair of layers, the first network from top to bottom.

    A value in brackets is one that shuffled images reach as well (p above 0.05).

    Parameters
    ----------
    frame : DataFrame
        Of :func:`kshot_viz.analysis.compare_layers`.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotValueError
        For a frame without rows or without the columns of ``compare_layers``, or with several
        rows for a pair of layers.
    """
    needed = {"first", "second", "layer", "other_layer", "measure", "images", "value", "p_value"}
    if missing := sorted(needed - set(frame)):
        raise KShotValueError(f"`frame` must be of compare_layers; it lacks {', '.join(missing)}.")
    if frame.empty:
        raise KShotValueError("`frame` has no row: there is nothing to draw.")
    if frame.duplicated(["layer", "other_layer"]).any():
        raise KShotValueError(
            "`frame` has several rows for a pair of layers; draw one measure and one pair of "
            "networks at a time."
        )
    value, p_value = (_wide(frame, column) for column in ("value", "p_value"))
    tall, wide = min(_LARGEST, _TALL * len(value)), min(_LARGEST, _CELL * value.shape[1])
    ax = new_axes(ax, (max(2.2, wide) + 3.0, max(1.4, tall) + 1.9))
    low = min(0.0, float(np.nanmin(value, initial=0.0)))
    image = ax.imshow(value, cmap=COLOURS, vmin=low, vmax=1, aspect="auto", interpolation="nearest")
    _name(ax, value, frame)
    if max(value.shape) <= _MOST_NUMBERS:
        _write(ax, value.to_numpy(), p_value.to_numpy(), image)
    first = frame.iloc[0]
    label = MEASURES[first["measure"]].label if first["measure"] in MEASURES else first["measure"]
    colour_bar(ax, image, label, [0, 0.25, 0.5, 0.75, 1])
    note = counted(int(first["images"]), "image")
    if frame["p_value"].notna().any():
        note += "; in brackets: shuffled images reach it too (p > 0.05)"
    entitle(ax, f"Similarity of layers, {label}", note)
    return ax


def _wide(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a row for each layer of the first network, in the frame's order."""
    rows, columns = (list(dict.fromkeys(frame[one])) for one in ("layer", "other_layer"))
    # Without dropping, a column of NaN keeps its room.
    table = frame.pivot_table(column, "layer", "other_layer", dropna=False, observed=True)
    return table.reindex(index=rows, columns=columns).astype(float)


def _name(ax: Axes, value: pd.DataFrame, frame: pd.DataFrame) -> None:
    rows = range(0, len(value), -(-len(value) // _NAMES))
    columns = range(0, value.shape[1], -(-value.shape[1] // _NAMES))
    names = [[_end(one) for one in axis] for axis in (value.index, value.columns)]
    ax.set_yticks(list(rows), [isolated(names[0][one]) for one in rows], parse_math=False)
    ax.set_xticks(
        list(columns),
        [isolated(names[1][one]) for one in columns],
        rotation=90 if max(map(len, names[1])) > 6 else 0,
        parse_math=False,
    )
    ax.tick_params(length=0, labelsize=8.5)
    ax.spines[:].set_visible(False)
    for label, axis in (("first", ax.yaxis), ("second", ax.xaxis)):
        axis.set_label_text(_end(str(frame.iloc[0][label])), fontsize=10, parse_math=False)


def _end(name: object) -> str:
    """Return the end of a name, which tells a layer from its neighbours."""
    text = str(name)
    return text if len(text) <= _LETTERS else f"\N{HORIZONTAL ELLIPSIS}{text[1 - _LETTERS :]}"


def _write(ax: Axes, value: np.ndarray, p_value: np.ndarray, image: Any) -> None:
    """Write the numbers, in black or white by what is behind them."""
    from matplotlib.colors import to_hex

    for (row, column), one in np.ndenumerate(value):
        if np.isnan(one):
            ax.text(column, row, "-", ha="center", va="center", fontsize=8.5, alpha=0.6)
            continue
        by_chance = p_value[row, column] > _P
        colour = text_on(to_hex(image.cmap(image.norm(one))))
        look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8.5, "color": colour}
        ax.text(column, row, f"({one:.2f})" if by_chance else f"{one:.2f}", **look)

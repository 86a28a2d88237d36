"""The six relations of every layer, each with the untrained network and a random rotation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.analysis.alignment.alignment import Alignment
from kshot_viz.analysis.alignment.moments import KINDS
from kshot_viz.analysis.alignment.relations import RELATIONS
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.text import counted, isolated
from kshot_viz.viz.style.canvas import colour_bar, entitle, new_axes
from kshot_viz.viz.style.colours import text_on

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLOURS = "RdBu_r"
_ROW, _TALLEST, _NAMES, _LETTERS = 0.42, 10.5, 30, 26


def plot_alignment(found: Alignment, *, kind: str = "normalised", ax: Axes | None = None) -> Axes:
    """Draw how far each relation holds in each layer.

    Below each value stand, smaller, that of the untrained network and that with one matrix rotated
    at random. Colours are the difference to the untrained one: red rose by training, blue fell.

    Parameters
    ----------
    found : Alignment
        Of :func:`kshot_viz.analysis.alignment`.
    kind : {"normalised", "raw"}
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotKeyError
        For another kind.
    KShotValueError
        For anything but an Alignment.
    """
    if not isinstance(found, Alignment):
        raise KShotValueError(
            f"`found` must be of kshot_viz.analysis.alignment; not {type(found).__name__}."
        )
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    frame = found.frame()
    frame = frame[frame["kind"] == kind]
    value, before, turned = (_wide(frame, one) for one in ("value", "untrained", "rotated"))
    ax = new_axes(ax, (8.6, min(_TALLEST, max(1.2, _ROW * len(value))) + 2.0))
    gain = value - before
    image = ax.imshow(gain, cmap=COLOURS, vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    if len(value) <= _NAMES:
        _write(ax, [one.to_numpy() for one in (value, before, turned)], image)
    _name(ax, value)
    colour_bar(ax, image, "value - untrained", [-1, -0.5, 0, 0.5, 1])
    moments = "covariances of samples of norm 1" if kind == "normalised" else "second moments"
    head = ", head fitted to them" if found.fitted_head else ""
    below = "below each the value untrained | rotated at random; " if len(value) <= _NAMES else ""
    note = f"correlation of entries; {below}{moments}, "
    entitle(ax, f"Alignment in {found.network}", f"{note}{counted(found.images, 'image')}{head}")
    return ax


def _wide(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a row for each layer, in the order in which they run."""
    table = frame.pivot_table(column, "layer", "relation", dropna=False, observed=True)
    return table.reindex(index=list(dict.fromkeys(frame["layer"])), columns=list(RELATIONS))


def _name(ax: Axes, value: pd.DataFrame) -> None:
    rows = range(0, len(value), -(-len(value) // _NAMES))
    ax.set_yticks(
        list(rows), [isolated(_end(str(value.index[one]))) for one in rows], parse_math=False
    )
    names = [f"{name}\n{' ~ '.join(pair).replace('_', '')}" for name, pair in RELATIONS.items()]
    ax.set_xticks(range(len(names)), names)
    ax.tick_params(length=0, labelsize=8.5)
    ax.set_xlabel("b: input side, f: output side; H representation, G gradient, Z weight")
    ax.xaxis.label.set_fontsize(9)
    ax.spines[:].set_visible(False)


def _end(name: str) -> str:
    """Return the end of a name, which tells a layer from its neighbours."""
    return name if len(name) <= _LETTERS else f"\N{HORIZONTAL ELLIPSIS}{name[1 - _LETTERS :]}"


def _write(ax: Axes, numbers: list[np.ndarray], image: Any) -> None:
    """Write value, untrained and rotated, in black or white by what is behind them."""
    from matplotlib.colors import to_hex

    for row, column in np.ndindex(numbers[0].shape):
        value, before, turned = (float(one[row, column]) for one in numbers)
        gain = value - before
        # Without a difference there is no colour behind it: the page's own is used.
        look: dict[str, Any] = {"alpha": 0.6}
        if not np.isnan(gain):
            look = {"color": text_on(to_hex(image.cmap(image.norm(gain))))}
        look |= {"xy": (column, row), "textcoords": "offset points", "ha": "center"}
        ax.annotate(_number(value), xytext=(0, -1.5), va="bottom", fontsize=9.5, **look)
        others = f"{_number(before)} | {_number(turned)}"
        ax.annotate(others, xytext=(0, -2), va="top", fontsize=7.5, **look)


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"

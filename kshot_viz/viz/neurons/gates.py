"""Which filters the images of each class take, layer by layer, and how far gates agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kshot_viz.methods.adafilter.gates import gate_frame
from kshot_viz.text import counted, isolated
from kshot_viz.viz.style.canvas import colour_bar, entitle, new_axes, text_colour
from kshot_viz.viz.style.colours import text_on
from kshot_viz.viz.style.intervals import shortened

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLOURS = "Blues"
# Inches: a row with a number in it, a name below another one, a cell, the part on the right.
_ROW, _LINE, _CELL, _BESIDE, _GAP = 0.25, 0.16, 0.46, 1.7, 0.2
_TALLEST, _WIDEST = 11.0, 8.0
# Letters of a name; a letter of this size is so many inches wide.
_LAYER, _CLASS, _LETTER = 28, 14, 0.085


def plot_gates(
    result: Any, images: Any, labels: ArrayLike | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw which share of each layer the images of a class take from trained filters.

    On the right is the share of channels whose gates agree for two images: of one class (filled)
    and of two classes (hollow).

    Parameters
    ----------
    result : FinetuneResult
        Of the method ``"adafilter"``.
    images : array, tensor, list of PIL images or paths or ImageDataset
    labels : array_like, shape (images,), optional
        The class of each image; a data set has its own.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        Its rows are the layers, the first on top.

    Raises
    ------
    KShotValueError
        If the network has no gates, or there is not one label an image.
    """
    return draw_gates(gate_frame(result, images, labels), ax=ax)


def draw_gates(frame: pd.DataFrame, *, about: str = "", ax: Axes | None = None) -> Axes:
    """Draw the rows of :func:`kshot_viz.methods.adafilter.gates.gate_frame`.

    ``about`` says what images they are of.
    """
    rates = 100 * frame.pivot_table("rate", "layer", "class", sort=False)
    wide = min(_WIDEST, max(2.5, _CELL * rates.shape[1]))
    tall = min(_TALLEST, max(1.2, _ROW * len(rates)))
    ax = new_axes(ax, (wide + _BESIDE + 3.1, tall + 1.7))
    image = ax.imshow(rates, cmap=COLOURS, vmin=0, vmax=100, aspect="auto", interpolation="nearest")
    _name(ax, rates, wide, tall)
    if _ROW * len(rates) <= tall and _CELL * rates.shape[1] <= wide:
        _write(ax, rates.to_numpy(), image)
    colour_bar(ax, image, "share, %", [0, 25, 50, 75, 100])
    agreement = agreement_frame(frame)
    n = int(frame.groupby("class", sort=False)["images"].first().sum())
    note = f"{counted(n, 'image')}{about}"
    if agreement[["within", "between"]].notna().any(axis=None):
        _agree(ax, agreement, rates.shape[1], wide / rates.shape[1])
        note += "; right: gates that agree for two images, of one class (filled), of two (hollow)"
    entitle(ax, "Channels from trained filters, by class", note)
    return ax


def agreement_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``layer, within, between``: how far gates agree, over all pairs of images.

    NaN where there is no such pair.
    """
    import pandas as pd

    rows = []
    for layer, part in frame.groupby("layer", sort=False):
        n = part["images"].to_numpy()
        pairs = {"within": n * (n - 1), "between": n * (n.sum() - n)}
        found = {name: _mean(part[name].to_numpy(), weights) for name, weights in pairs.items()}
        rows.append({"layer": layer, **found})
    return pd.DataFrame(rows, columns=["layer", "within", "between"])


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    """Return a weighted mean; what has no weight may be NaN."""
    used = weights > 0
    return float(np.average(values[used], weights=weights[used])) if used.any() else float("nan")


def _name(ax: Axes, rates: pd.DataFrame, wide: float, tall: float) -> None:
    """Name rows and columns, or as many of them as there is room for."""
    rows = range(0, len(rates), int(-(-len(rates) * _LINE // tall)))
    layers = [isolated(_end(str(rates.index[row]))) for row in rows]
    ax.set_yticks(list(rows), layers, parse_math=False)
    names = [shortened(str(name), _CLASS) for name in rates]
    cell = wide / len(names)
    upright = max(map(len, names)) * _LETTER > cell
    columns = np.arange(0, len(names), int(-(-_LINE // cell)) if upright else 1)
    turned: dict[str, Any] = {"rotation": 90} if upright else {}
    ax.set_xticks(columns, [names[one] for one in columns], parse_math=False, **turned)
    ax.tick_params(length=0, labelsize=8.5)
    ax.spines[:].set_visible(False)


def _end(name: str) -> str:
    """Return the end of a layer's name, which tells it from its neighbours."""
    return name if len(name) <= _LAYER else f"\N{HORIZONTAL ELLIPSIS}{name[1 - _LAYER :]}"


def _write(ax: Axes, rates: np.ndarray, image: Any) -> None:
    """Write the numbers, in black or white by what is behind them."""
    from matplotlib.colors import to_hex

    for (row, column), value in np.ndenumerate(rates):
        colour = text_on(to_hex(image.cmap(image.norm(value))))
        look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8, "color": colour}
        ax.text(column, row, f"{value:.0f}", **look)


def _agree(ax: Axes, frame: pd.DataFrame, columns: int, cell: float) -> None:
    """Draw the agreement of each layer's gates in its row, right of the columns.

    It has no Axes of its own, so that it stays in its rows whatever Axes is given.
    """
    from matplotlib.ticker import MaxNLocator

    within, between = (100 * frame[name].to_numpy() for name in ("within", "between"))
    known = np.concatenate([within, between])
    known = known[np.isfinite(known)]
    left, size = columns - 0.5 + _GAP / cell, _BESIDE / cell
    ax.set_xlim(-0.5, left + size + _GAP / cell)
    ticks = np.asarray(MaxNLocator(3).tick_values(known.min(), min(known.max(), 99.0)))
    low, high = ticks[0], ticks[-1]

    def at(percent: np.ndarray) -> np.ndarray:
        return left + size * (percent - low) / (high - low)

    rows, colour, last = np.arange(len(frame)), text_colour(ax), len(frame) - 0.5
    ax.vlines(at(ticks), -0.5, last, color=colour, alpha=0.14, linewidth=0.8)
    ax.hlines(rows, at(between), at(within), color=colour, alpha=0.35, linewidth=1)
    for values, face in ((between, "none"), (within, colour)):
        ax.plot(at(values), rows, "o", color=colour, markersize=5, markerfacecolor=face)
    for tick, x in zip(ticks, at(ticks), strict=True):
        _below(ax, x, f"{tick:g}", 4)
    _below(ax, left + size / 2, "gates that agree, %", 18)


def _below(ax: Axes, x: float, text: str, points: float) -> None:
    where: Any = ("data", "axes fraction")
    look = {"ha": "center", "va": "top", "fontsize": 8.5, "color": text_colour(ax)}
    ax.annotate(text, (x, 0), (0, -points), xycoords=where, textcoords="offset points", **look)

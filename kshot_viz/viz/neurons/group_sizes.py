"""Sizes of the groups, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kshot_viz.errors import KShotValueError
from kshot_viz.text import counted
from kshot_viz.viz.neurons.layer_groups import layer_groups
from kshot_viz.viz.style.canvas import entitle, new_axes, rows_axis
from kshot_viz.viz.style.colours import DEAD_HATCH, HATCHES, LONE_COLOUR, text_on
from kshot_viz.viz.style.intervals import beside, shortened

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.grouping.grouping import Grouping

# Layers up to here get roomy bars with numbers inside.
_FEW = 24
# More groups of one neuron than this share one bar: so many slivers cannot be distinguished.
_SINGLES = 32
# What fits into a bar, in letters for each percent of the width.
_LETTERS = 0.6
_NUMBERED = 3.2


def plot_group_sizes(grouping: Grouping, *, ax: Axes | None = None) -> Axes:
    """Draw one bar per layer, cut into its groups from the largest to the smallest.

    Bars show shares of the layer, so narrow and wide layers can be compared; the text beside them
    counts neurons, groups, and groups of a single member. Groups that a person named
    show their names. Many single neurons share one bar. Dead neurons come last, grey and hatched.

    Parameters
    ----------
    grouping : Grouping
    ax : Axes, optional
        Where to draw; a new figure by default, as tall as the layers need.

    Raises
    ------
    KShotValueError
        If the grouping has no layer.
    """
    if not len(grouping):
        raise KShotValueError("This grouping has no layer, so there are no sizes to draw.")
    frame = _sizes_frame(grouping)
    ax = new_axes(ax, (7.6, _height(len(grouping))))
    _draw_bars(ax, frame, grouping)
    rows_axis(ax, list(grouping), labelsize=_size(len(grouping)))
    for row, layer in enumerate(grouping):
        text = _describe(frame[frame["layer"] == layer])
        beside(ax, row, text, gap=7, fontsize=_size(len(grouping)))
    ax.set_xlim(0, 100)
    ax.set_xlabel("share of the layer's neurons, %", fontsize=10)
    dead = "; grey and hatched: dead neurons" if frame["dead"].any() else ""
    numbers = "; numbers are group numbers" if len(grouping) <= _FEW else ""
    entitle(ax, "Group sizes", f"largest group first{numbers}{dead}")
    return ax


def _sizes_frame(grouping: Grouping) -> pd.DataFrame:
    """Return ``layer, row, group, groups, size, share, start, dead, ...``, as drawn.

    ``groups`` is 1, or how many single neurons the bar stands for; its ``group`` is -1 then.
    """
    import pandas as pd

    parts = [_layer_frame(grouping, name).assign(row=row) for row, name in enumerate(grouping)]
    return pd.concat(parts, ignore_index=True)


def _layer_frame(grouping: Grouping, layer: str) -> pd.DataFrame:
    import pandas as pd

    sizes, groups = grouping.sizes(layer), layer_groups(grouping, layer, grouping[layer].size)
    frame = pd.DataFrame({"layer": layer, "group": range(sizes.size), "groups": 1, "size": sizes})
    frame["dead"] = frame["group"] == groups.dead
    frame["colour"] = groups.colours
    frame["shape"] = groups.shapes
    frame["number"] = groups.numbers
    frame["text"] = [groups.name(group) for group in range(sizes.size)]
    frame = frame.sort_values(["dead", "size", "number"], ascending=[True, False, True])
    frame = _singles_joined(frame, list(groups.names))
    frame["share"] = 100 * frame["size"] / sizes.sum()
    frame["start"] = frame["share"].cumsum() - frame["share"]
    return frame


def _singles_joined(frame: pd.DataFrame, named: list[int]) -> pd.DataFrame:
    """Join many groups of one neuron into one row, after all other live groups."""
    import pandas as pd

    alone = (frame["size"] == 1) & ~frame["dead"] & ~frame["group"].isin(named)
    count = int(alone.sum())
    if count <= _SINGLES:
        return frame
    one = (
        frame[alone]
        .head(1)
        .assign(
            group=-1,
            groups=count,
            size=count,
            colour=LONE_COLOUR,
            shape=0,
            text=f"{count:,} single neurons",
        )
    )
    rest = frame[~alone]
    return pd.concat([rest[~rest["dead"]], one, rest[rest["dead"]]])


def _draw_bars(ax: Axes, frame: pd.DataFrame, grouping: Grouping) -> None:
    from matplotlib.patheffects import withStroke

    bars = ax.barh(
        frame["row"],
        frame["share"],
        left=frame["start"],
        height=0.78,
        color=frame["colour"].tolist(),
        edgecolor=ax.get_facecolor(),
        linewidth=0.6,
    )
    patterns = np.where(frame["dead"], DEAD_HATCH, np.take(HATCHES, frame["shape"]))
    for bar, pattern in zip(bars, patterns.tolist(), strict=True):
        bar.set_hatch(pattern or None)
    if len(grouping) > _FEW:
        return
    written = frame[~frame["dead"] & (frame["share"] >= _NUMBERED)]
    names = ("row", "start", "share", "colour", "shape", "text")
    columns = [written[name].tolist() for name in names]
    for row, start, share, colour, shape, text in zip(*columns, strict=True):
        ax.annotate(
            _fitting(text, share),
            (start + share / 2, row),
            ha="center",
            va="center_baseline",
            fontsize=8,
            color=text_on(colour),
            parse_math=False,
            # On a pattern the number would be hard to read.
            path_effects=[withStroke(linewidth=3, foreground=colour)] if shape else None,
        )


def _fitting(text: str, share: float) -> str:
    """Return a text shortened to its bar; numbers stay whole."""
    return text if text.isdigit() else shortened(text, max(2, int(_LETTERS * share)))


def _describe(part: pd.DataFrame) -> str:
    live = part[~part["dead"]]
    words = [f"{part['size'].sum():,} in {counted(int(live['groups'].sum()), 'group')}"]
    # A row of many single neurons is as large as it has groups.
    if alone := int(live.loc[live["size"] == live["groups"], "groups"].sum()):
        words.append(f"{alone:,} single")
    if part["dead"].any():
        words.append(f"{part.loc[part['dead'], 'size'].sum()} dead")
    return ", ".join(words)


def _height(layers: int) -> float:
    return 1.3 + layers * (0.34 if layers <= _FEW else 0.19)


def _size(layers: int) -> float:
    return 9 if layers <= _FEW else 7

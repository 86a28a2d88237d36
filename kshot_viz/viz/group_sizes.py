"""How many neurons stand in each group, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kshot_viz.errors import KShotValueError
from kshot_viz.study.notes import counted
from kshot_viz.viz.canvas import entitle, ink, new_axes, tidy
from kshot_viz.viz.colours import text_on
from kshot_viz.viz.groups import palette

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.grouping.grouping import Grouping

# Layers up to here get roomy bars with numbers inside.
_FEW = 24


def plot_group_sizes(grouping: Grouping, *, ax: Axes | None = None) -> Axes:
    """Draw one bar per layer, cut into its groups from the largest to the smallest.

    Bars show shares of the layer, so narrow and wide layers can be compared; the text beside them
    tells neurons, groups, and how many of those have a single member. Dead neurons come last,
    hatched.

    Parameters
    ----------
    grouping : Grouping
    ax : Axes, optional
        Where to draw; a new figure by default, as tall as the layers need.

    Returns
    -------
    Axes

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
    _name_layers(ax, frame, list(grouping))
    tidy(ax, grid="x")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0, labelsize=_size(len(grouping)))
    ax.set_xlim(0, 100)
    ax.set_xlabel("share of the layer's neurons, %", fontsize=10)
    dead = "; hatched: dead neurons" if frame["dead"].any() else ""
    numbers = "; numbers are group numbers" if len(grouping) <= _FEW else ""
    entitle(ax, "Group sizes", f"largest group first{numbers}{dead}")
    return ax


def _sizes_frame(grouping: Grouping) -> pd.DataFrame:
    """Return ``layer, row, group, size, share, start, dead, colour``, in drawing order."""
    import pandas as pd

    parts = [_layer_frame(grouping, name).assign(row=row) for row, name in enumerate(grouping)]
    return pd.concat(parts, ignore_index=True)


def _layer_frame(grouping: Grouping, layer: str) -> pd.DataFrame:
    import pandas as pd

    sizes = grouping.sizes(layer)
    frame = pd.DataFrame({"layer": layer, "group": range(sizes.size), "size": sizes})
    frame["dead"] = frame["group"] == grouping.dead_group(layer)
    frame["colour"] = palette(grouping, layer)
    frame = frame.sort_values(["dead", "size", "group"], ascending=[True, False, True])
    frame["share"] = 100 * frame["size"] / sizes.sum()
    frame["start"] = frame["share"].cumsum() - frame["share"]
    return frame


def _draw_bars(ax: Axes, frame: pd.DataFrame, grouping: Grouping) -> None:
    bars = ax.barh(
        frame["row"],
        frame["share"],
        left=frame["start"],
        height=0.78,
        color=frame["colour"].tolist(),
        edgecolor=ax.get_facecolor(),
        linewidth=0.6,
    )
    for bar, (_, part) in zip(bars, frame.iterrows(), strict=True):
        if part["dead"]:
            bar.set_hatch("////")
        elif len(grouping) <= _FEW and part["share"] >= 3.2:
            ax.annotate(
                str(part["group"]),
                (part["start"] + part["share"] / 2, part["row"]),
                ha="center",
                va="center_baseline",
                fontsize=8,
                color=text_on(part["colour"]),
            )


def _name_layers(ax: Axes, frame: pd.DataFrame, layers: list[str]) -> None:
    rows = range(len(layers))
    ax.set_yticks(rows, layers)
    ax.set_ylim(len(layers) - 0.4, -0.6)
    for row, layer in enumerate(layers):
        ax.annotate(
            _describe(frame[frame["layer"] == layer]),
            (100, row),
            (7, 0),
            textcoords="offset points",
            va="center",
            fontsize=_size(len(layers)),
            color=ink(ax),
            annotation_clip=False,
        )


def _describe(part: pd.DataFrame) -> str:
    live = part[~part["dead"]]
    words = [f"{part['size'].sum()} in {counted(len(live), 'group')}"]
    if alone := int((live["size"] == 1).sum()):
        words.append(f"{alone} single")
    if part["dead"].any():
        words.append(f"{part.loc[part['dead'], 'size'].sum()} dead")
    return ", ".join(words)


def _height(layers: int) -> float:
    return 1.3 + layers * (0.34 if layers <= _FEW else 0.19)


def _size(layers: int) -> float:
    return 9 if layers <= _FEW else 7

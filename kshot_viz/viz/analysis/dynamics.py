"""What changes inside a network while it is fine-tuned, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kshot_viz.analysis.dynamics.course import ACCURACY
from kshot_viz.analysis.dynamics.dynamics import FinetuneDynamics
from kshot_viz.analysis.dynamics.state import LAYER_MEASURES
from kshot_viz.checks import checked, instance, names, optional, text
from kshot_viz.errors import unknown_name
from kshot_viz.text import counted, evenly_spaced, isolated
from kshot_viz.viz.style.canvas import tidy
from kshot_viz.viz.style.colours import method_styles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Panels a row, inches of a panel, and panels of layers that are drawn unless layers are named.
_COLUMNS, _WIDE, _TALL, _MOST = 3, 3.3, 2.3, 8
_LETTERS = 28


@checked(
    found=instance(FinetuneDynamics, cure="kshot_viz.analysis.finetune_dynamics makes one"),
    measure=text,
    layers=optional(names),
)
def plot_dynamics(
    found: FinetuneDynamics,
    measure: str = "f-RWA",
    *,
    layers: Sequence[str] | None = None,
) -> Figure:
    """Draw the accuracy, and one measure in each layer, against the step of fine-tuning.

    Parameters
    ----------
    found : FinetuneDynamics
        Of :func:`kshot_viz.analysis.finetune_dynamics`.
    measure : str
        One of its measures of layers: a relation such as "f-RWA", "gradient agreement", "energy
        kept" or "CKA to the start".
    layers : sequence of str, optional
        Where there are more than eight, eight are drawn by default, evenly spaced.

    Returns
    -------
    Figure
        Dashes are the untrained copy, dots what chance gives, both of the method drawn first.

    Raises
    ------
    KShotKeyError
        For an unknown measure or layer.
    """
    from matplotlib.figure import Figure

    if measure not in LAYER_MEASURES:
        raise unknown_name("measure", measure, LAYER_MEASURES)
    for name in layers or ():
        if name not in found.layers:
            raise unknown_name("layers", name, found.layers)
    frame = found.frame()
    with_values = frame.loc[(frame["measure"] == measure) & frame["value"].notna(), "layer"]
    known = [name for name in found.layers if name in set(with_values)]
    shown = evenly_spaced(known, _MOST) if layers is None else list(layers)
    rows = -(-(1 + len(shown)) // _COLUMNS)
    figure = Figure(figsize=(_COLUMNS * _WIDE, rows * _TALL + 0.9), layout="constrained")
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel().tolist()
    styles = method_styles(found.status)
    accuracy = _part(frame, ACCURACY, "")
    accuracy = accuracy.assign(value=100 * accuracy["value"], null=100 * accuracy["null"])
    title = f"accuracy of {counted(found.images, 'image')}, %"
    _panel(grid[0], accuracy, styles, found, title)
    for ax, layer in zip(grid[1:], shown, strict=False):
        _panel(ax, _part(frame, measure, layer), styles, found, isolated(_end(layer)))
    for ax in grid[1 + len(shown) :]:
        ax.set_axis_off()
    for ax in grid[: 1 + len(shown)][-_COLUMNS:]:
        ax.set_xlabel("steps taken", fontsize=9)
    _share_scale(grid[1 : 1 + len(shown)])
    _head(figure, found, measure, len(shown))
    return figure


def _part(frame: pd.DataFrame, measure: str, layer: str) -> pd.DataFrame:
    return frame[(frame["measure"] == measure) & (frame["layer"] == layer)]


def _end(name: str) -> str:
    """Return the end of a name, which tells a layer from its neighbours."""
    return name if len(name) <= _LETTERS else f"\N{HORIZONTAL ELLIPSIS}{name[1 - _LETTERS :]}"


def _panel(ax: Axes, part: pd.DataFrame, styles: Any, found: FinetuneDynamics, title: str) -> None:
    """Draw one line a method over the steps, which stand at equal distances."""
    index = {step: i for i, step in enumerate(found.steps)}
    for method, style in styles.items():
        own = part[part["method"] == method]
        at = own["step"].map(index)
        look = {"color": style.colour, "marker": style.marker, "markersize": 4}
        ax.plot(at, own["value"], label=style.label, linewidth=1.8, **look)
    first = part[part["method"] == next(iter(styles), "")]
    for column, dashes in (("untrained", "--"), ("null", ":")):
        if first[column].notna().any():
            at = first["step"].map(index)
            ax.plot(at, first[column], dashes, color="0.5", linewidth=1.2, label=column)
    ax.set_title(title, fontsize=10, parse_math=False)
    ax.set_xticks(range(len(index)), [str(one) for one in index])
    ax.set_xlim(-0.3, len(index) - 0.7)
    ax.tick_params(labelsize=8)
    tidy(ax, grid="y")


def _share_scale(panels: Sequence[Axes]) -> None:
    """Give the panels of layers one scale, so that layers can be compared."""
    if not panels:
        return
    lows, highs = zip(*(ax.get_ylim() for ax in panels), strict=True)
    low, high = min(lows), max(highs)
    # Room for the marker of a layer whose values are all alike.
    margin = 0.04 * (high - low)
    for ax in panels:
        ax.set_ylim(low - margin, high + margin)


def _head(figure: Figure, found: FinetuneDynamics, measure: str, shown: int) -> None:
    some = f" ({shown} of {counted(len(found.layers), 'layer')})"
    title = f"{measure} in {isolated(found.network)} while it is tuned"
    figure.suptitle(title + some, fontsize=12, parse_math=False)
    handles: dict[str, Any] = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=5, frameon=False)

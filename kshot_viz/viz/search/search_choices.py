"""What a search chose for each layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.errors import KShotValueError
from kshot_viz.search.spaces.groups import GroupSpace
from kshot_viz.viz.style.canvas import entitle, ink, new_axes, tidy
from kshot_viz.viz.style.colours import OKABE_ITO

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from kshot_viz.grouping.grouping import Grouping
    from kshot_viz.search.result import SearchResult

# What forms the groups of a layer; the words beside the bars name it too.
_COLOURS = {"source": OKABE_ITO[4], "support": OKABE_ITO[0], "weights": OKABE_ITO[2]}
_SINGLE = OKABE_ITO[1]


def plot_chosen(
    found: SearchResult,
    *,
    parameters: Mapping[str, Any] | None = None,
    grouping: Grouping | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one bar a layer: how many groups move, formed from what, and how fast.

    A number of groups is asked for, and the two distance bounds then split and merge. Bars show
    what was asked for, or what came of it where ``grouping`` is given.

    Parameters
    ----------
    found : SearchResult
    parameters : mapping, optional
        A point of the search's space; that of the best rollout by default.
    grouping : Grouping, optional
        The groups that were formed, for example ``found.grouping(support)``.
    ax : Axes, optional
        Where to draw; a new figure by default, as tall as the layers need.

    Raises
    ------
    KShotValueError
        If there is no rollout yet, or the search was in another space.
    """
    point = found.best_rollout.parameters if parameters is None else parameters
    frame = chosen_frame(found, point, grouping)
    ax = new_axes(ax, (8.4, 1.5 + 0.34 * len(frame)))
    ax.barh(frame.index, 100 * frame["share"], height=0.72, color=frame["colour"])
    for row, (name, words) in enumerate(zip(frame["layer"], frame["words"], strict=True)):
        written = ax.annotate(
            words,
            (100, row),
            (7, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=ink(ax),
            alpha=1.0 if frame["step_size"][row] else 0.55,
            annotation_clip=False,
        )
        written.set_gid(name)
    ax.set_yticks(frame.index, frame["layer"])
    for text in ax.get_yticklabels():
        text.set_parse_math(False)
    ax.set_ylim(len(frame) - 0.4, -0.6)
    ax.set_xlim(0, 100)
    label = "groups asked for" if grouping is None else "groups that move"
    ax.set_xlabel(f"{label}, % of the layer's neurons", fontsize=10)
    tidy(ax, grid="x")
    settings = {k.rpartition("/")[2]: v for k, v in point.items() if k.startswith("settings/")}
    note = ", ".join(f"{name} {value}" for name, value in settings.items())
    entitle(ax, "Chosen groups", note)
    return ax


def chosen_frame(
    found: SearchResult, parameters: Mapping[str, Any], grouping: Grouping | None = None
) -> pd.DataFrame:
    """Return ``layer, share, step_size, colour, words``: one row a layer."""
    import pandas as pd

    if not isinstance(found.space, GroupSpace):
        raise KShotValueError(
            "Only a search in a GroupSpace chooses numbers of groups; draw the groups themselves "
            "with plot_group_sizes(found.grouping())."
        )
    whole, rows = found.space.complete(parameters), []
    for layer in found.space.layers:
        own = {name: whole[f"{layer}/{name}"] for name in found.space.layers[layer]}
        colour = _SINGLE if own["n_groups"] >= 1 else _COLOURS[own["groups_from"]]
        labels = None if grouping is None else grouping.get(layer)
        share = own["n_groups"] if labels is None else len(np.unique(labels)) / len(labels)
        # One group is a bar one can see; a frozen layer has none.
        share = max(share, 0.006) if own["step_size"] else 0.0
        rows.append([layer, share, own["step_size"], colour, _words(own, labels)])
    columns = ["layer", "share", "step_size", "colour", "words"]
    return pd.DataFrame(rows, columns=columns)


def _words(own: Mapping[str, Any], labels: NDArray[np.int64] | None) -> str:
    """Say what happens in a layer."""
    if not own["step_size"]:
        return "frozen"
    share = own["n_groups"]
    if share >= 1:
        told = ["every neuron on its own"]
    else:
        asked = "one group" if share == 0 else f"{share:.0%} groups"
        told = [f"{asked if labels is None else _formed(labels)} from {own['groups_from']}"]
    told.append(f"step ×{own['step_size']:g}")
    if share < 1:
        told += [f"within ≤ {own['max_within']:g}"] if own["max_within"] is not None else []
        told += [f"between ≥ {own['min_between']:g}"] if own["min_between"] is not None else []
    return ", ".join(told)


def _formed(labels: NDArray[np.int64]) -> str:
    count = len(np.unique(labels))
    return f"{count} group{'s' if count > 1 else ''} of {len(labels)} neurons"

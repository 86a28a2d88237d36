"""Policy of the controller: probabilities of its choices and their entropy, batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.viz.style.canvas import (
    entitle,
    figure_of,
    legend_outside,
    new_axes,
    text_colour,
    tidy,
)
from kshot_viz.viz.style.colours import OKABE_ITO

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.search.result import SearchResult

# Labels of the choices of a layer.
CHOICE_LABELS = {
    "n_groups": "number of groups (share of the width)",
    "max_within": "largest distance within a group (quantile)",
    "min_between": "smallest distance between groups (quantile)",
    "groups_from": "what forms the groups",
    "step_size": "step size (multiple)",
}
# Labels of values with a special meaning.
_VALUES = {
    ("n_groups", "0.0"): "one group",
    ("n_groups", "1.0"): "single neurons",
    ("step_size", "0.0"): "frozen",
    ("max_within", "None"): "any",
    ("min_between", "None"): "any",
}
_DASHES = ("-", "--", "-.", ":", (0, (6, 1.5, 1.5, 1.5)), (0, (3, 1)))
# Up to so many rows every value is written beside its row.
_ROOMY = 48


def plot_policy(
    found: SearchResult | pd.DataFrame, choice: str = "step_size", *, ax: Axes | None = None
) -> Axes:
    """Draw how likely each value of one choice was in each layer, batch by batch.

    Parameters
    ----------
    found : SearchResult or DataFrame
        A search by the controller, or its ``policy``.
    choice : str
        ``"n_groups"``, ``"max_within"``, ``"min_between"``, ``"groups_from"`` or ``"step_size"``;
        only choices with more than one value can be drawn.
    ax : Axes, optional
        Where to draw; a new figure by default, as tall as the layers need.

    Raises
    ------
    KShotValueError
        If the search has no policy (another sampler, or no batch yet).
    KShotKeyError
        If ``choice`` was not searched.
    """
    from matplotlib.ticker import MaxNLocator

    frame = _policy_rows(_policy(found), choice)
    rows = frame[["layer", "value"]].drop_duplicates()
    table = frame["probability"].to_numpy().reshape(-1, len(rows)).T
    ax = new_axes(ax, (7.4, 1.5 + len(rows) * (0.2 if len(rows) <= _ROOMY else 0.07)))
    image = ax.imshow(table, aspect="auto", vmin=0, cmap="viridis", interpolation="nearest")
    _name_rows(ax, rows.assign(value=[value_name(choice, one) for one in rows["value"]]))
    ax.set_xlabel("batch", fontsize=10)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.tick_params(axis="both", labelsize=8.5, length=0)
    ax.spines[:].set_visible(False)
    label = CHOICE_LABELS.get(choice, choice)
    entitle(
        ax, f"Policy: {label}", "one band a layer, first layer on top; each column adds up to 1"
    )
    bar = figure_of(ax).colorbar(image, ax=ax, shrink=0.8, pad=0.02)
    bar.set_label("probability", fontsize=9, color=text_colour(ax))
    bar.ax.tick_params(labelsize=8, colors=text_colour(ax))
    return ax


def value_name(choice: str, value: Any) -> str:
    """Return the label of a value of a choice."""
    return _VALUES.get((choice, str(value)), str(value))


def plot_entropy(found: SearchResult | pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how undecided the controller was, batch by batch: 1 is uniform, 0 is sure.

    Parameters
    ----------
    found : SearchResult or DataFrame
        A search by the controller, or its ``policy``.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotValueError
        If the search has no policy.
    """
    frame = _entropy_frame(_policy(found))
    ax = new_axes(ax, (7.4, 3.4))
    mean = frame.groupby("batch")["entropy"].mean()
    ax.plot(mean.index, mean, color=text_colour(ax), linewidth=2.2, label="all choices")
    for index, (choice, part) in enumerate(frame.groupby("choice", sort=False)):
        line = part.groupby("batch")["entropy"].mean()
        ax.plot(
            line.index,
            line,
            color=OKABE_ITO[(index + 4) % len(OKABE_ITO)],
            linestyle=_DASHES[index % len(_DASHES)],
            linewidth=1.5,
            label=CHOICE_LABELS.get(str(choice), str(choice)).partition(" (")[0],
        )
    ax.set_ylim(-0.02, 1.04)
    ax.set_xlabel("batch", fontsize=10)
    ax.set_ylabel("entropy, share of the largest", fontsize=10)
    tidy(ax, grid="y")
    entitle(ax, "Entropy of the policy", "mean over layers; of the mean policy of each batch")
    legend_outside(ax)
    return ax


def _policy(found: SearchResult | pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    frame = found if isinstance(found, pd.DataFrame) else found.policy
    if not len(frame):
        raise KShotValueError(
            "This search has no policy: only the controller has one, after its first batch."
        )
    layer, _, choice = frame["parameter"].str.rpartition("/").to_numpy().T
    return frame.assign(layer=layer, choice=choice)


def _policy_rows(frame: pd.DataFrame, choice: str) -> pd.DataFrame:
    """Return the rows of one choice, in order of batch, layer and value."""
    known = list(dict.fromkeys(frame["choice"]))
    if choice not in known:
        raise unknown_name("choice", choice, known)
    return frame[frame["choice"] == choice]


def _entropy_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``batch, layer, choice, entropy``, as a share of that of a uniform choice."""
    shares = frame["probability"].clip(lower=1e-12)
    bits = frame.assign(entropy=-shares * np.log(shares))
    grouped = bits.groupby(["batch", "parameter", "layer", "choice"], sort=False)
    total = grouped["entropy"].agg(["sum", "size"]).reset_index()
    total["entropy"] = total["sum"] / np.log(total["size"])
    return total[["batch", "layer", "choice", "entropy"]]


def _name_rows(ax: Axes, rows: pd.DataFrame) -> None:
    """Write the values beside their rows where there is room, and the layers in any case."""
    layers = rows["layer"].to_numpy()
    starts = np.flatnonzero(np.r_[True, layers[1:] != layers[:-1]])
    ends = np.r_[starts[1:], len(layers)]
    roomy = len(rows) <= _ROOMY
    for start in starts[1:]:
        ax.axhline(start - 0.5, color=ax.get_facecolor(), linewidth=2.5 if roomy else 1)
    if roomy:
        names = [
            f"{layer}  {value}" if row in starts else value
            for row, (layer, value) in enumerate(zip(layers, rows["value"], strict=True))
        ]
        ax.set_yticks(range(len(rows)), names)
    else:
        ax.set_yticks((starts + ends - 1) / 2, layers[starts])
    for text in ax.get_yticklabels():
        text.set_parse_math(False)

"""A view of a search, its figure and its frame, and the settings it chose for each layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.errors import unknown_name
from kshot_viz.search.spaces.groups import GroupSpace
from kshot_viz.text import counted
from kshot_viz.viz.search.policy import plot_entropy, plot_policy
from kshot_viz.viz.search.reward_curves import plot_search
from kshot_viz.viz.style.canvas import entitle, figure_of, new_axes, tidy
from kshot_viz.viz.style.colours import OKABE_ITO
from kshot_viz.viz.style.intervals import beside

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from kshot_viz.grouping.grouping import Grouping
    from kshot_viz.search.result import SearchResult

VIEWS = {
    "policy": "Choices",
    "entropy": "Entropy",
    "chosen": "Best so far",
    "trials": "Trials",
}
_TRIALS = ["rollout", "reward", "best", "spent", "cost", "tasks", "status"]
# One colour for each source of the groups; the words beside the bars name it too.
_COLOURS = {
    "source": OKABE_ITO[4],
    "support": OKABE_ITO[0],
    "weights": OKABE_ITO[2],
    "gradients": OKABE_ITO[6],
}
_SINGLE = OKABE_ITO[1]


@dataclass(frozen=True)
class SearchPicture:
    """One view of a search.

    Attributes
    ----------
    found : SearchResult
    view : str
        ``"policy"``, ``"entropy"``, ``"chosen"`` or ``"trials"``.
    choice : str
        The choice of a layer whose policy is shown; the first one that is searched by default.
    random : optional
        Random search of the same space, drawn beside the curve; see
        :func:`kshot_viz.viz.plot_search`.
    """

    found: SearchResult
    view: str = "policy"
    choice: str = ""
    random: Any = None

    def __post_init__(self) -> None:
        if self.view not in VIEWS:
            raise unknown_name("view", self.view, VIEWS)
        known = choices(self.found)
        if self.choice and self.choice not in known:
            raise unknown_name("choice", self.choice, known)
        object.__setattr__(self, "choice", self.choice or next(iter(known), ""))

    def curve(self) -> Figure:
        """Return the reward of every rollout, its moving average and the best so far."""
        if not self.found.rollouts:
            return message_figure("No rollout yet.")
        return figure_of(plot_search(self.found, random=self.random))

    def figure(self) -> Figure | None:
        """Return the figure of the view; None where that is a table."""
        if self.view == "trials":
            return None
        if self.view == "chosen":
            if not self.found.top(1):
                return message_figure("No rollout has run all its tasks yet.")
            return figure_of(plot_chosen(self.found))
        if self.found.policy.empty:
            return message_figure("No policy: only the controller has one, after its first batch.")
        if self.view == "entropy":
            return figure_of(plot_entropy(self.found))
        return figure_of(plot_policy(self.found, self.choice))

    def frame(self) -> pd.DataFrame:
        """Return the frame of the view."""
        if self.view == "chosen":
            best = self.found.best_rollout
            return chosen_frame(self.found, best.parameters).drop(columns="colour")
        return trials_frame(self.found) if self.view == "trials" else self.found.policy


def choices(found: SearchResult) -> list[str]:
    """Return the choices of a layer that have more than one value."""
    names = {
        name.rpartition("/")[2]: None
        for name, values in found.space.values.items()
        if len(values) > 1
    }
    return list(names)


def trials_frame(found: SearchResult) -> pd.DataFrame:
    """Return one row a rollout, the newest first, with all its parameters at the end."""
    history = found.history
    searched = list(found.rollouts[0].parameters) if found.rollouts else []
    return history[[*_TRIALS, *searched]].iloc[::-1].reset_index(drop=True)


def progress_text(found: SearchResult) -> str:
    """Return the progress of a search in one sentence."""
    if not found.rollouts:
        return "No rollout yet."
    history, budget = found.history, float(found.manifest["budget"])
    text = f"{history['spent'].iloc[-1]:.1f} of {budget:g} evaluations spent"
    text = f"{counted(len(history), 'rollout')}, {text}"
    if found.top(1):
        best = found.best_rollout
        text += f"; best reward {best.reward:.3f} (rollout {best.number})"
    entropy = history["entropy"].dropna()
    return text + (f"; entropy {entropy.iloc[-1]:.2f}" if len(entropy) else "") + "."


def message_figure(text: str) -> Figure:
    """Return a figure that has only a message."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.4, 1.2))
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=11, alpha=0.75)
    return figure


def plot_chosen(
    found: SearchResult,
    *,
    parameters: Mapping[str, Any] | None = None,
    grouping: Grouping | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one bar a layer: the number of trained groups, their source and their step size.

    The two distance bounds split and merge the requested number of groups. Bars show the requested
    number, or the final one where ``grouping`` is given.

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
        If there is no rollout yet.
    """
    point = found.best_rollout.parameters if parameters is None else parameters
    frame = chosen_frame(found, point, grouping)
    ax = new_axes(ax, (8.4, 1.5 + 0.34 * len(frame)))
    ax.barh(frame.index, 100 * frame["share"], height=0.72, color=frame["colour"])
    for row, (name, words) in enumerate(zip(frame["layer"], frame["words"], strict=True)):
        alpha = 1.0 if frame["step_size"][row] else 0.55
        beside(ax, row, words, gap=7, fontsize=9, alpha=alpha).set_gid(name)
    ax.set_yticks(frame.index, frame["layer"], parse_math=False)
    ax.set_ylim(len(frame) - 0.4, -0.6)
    tidy(ax, grid="x")
    ax.set_xlim(0, 100)
    label = "groups asked for" if grouping is None else "groups that move"
    ax.set_xlabel(f"{label}, % of the layer's neurons", fontsize=10)
    entitle(ax, "Chosen groups", found.space.candidate(point).config.but(layer_lr={}).summary)
    return ax


def chosen_frame(
    found: SearchResult, parameters: Mapping[str, Any], grouping: Grouping | None = None
) -> pd.DataFrame:
    """Return ``layer, share, step_size, colour, words``: one row a layer."""
    import pandas as pd

    whole, rows = found.space.complete(parameters), []
    columns = ["layer", "share", "step_size", "colour", "words"]
    if not isinstance(found.space, GroupSpace):
        made = found.space.candidate(parameters).grouping
        rows = [_assigned(one, whole[f"{one}/step_size"], made) for one in found.space.layers]
        rows += [[layer, 0.0, 0.0, _SINGLE, "frozen"] for layer in found.space.frozen]
        return pd.DataFrame(rows, columns=columns)
    for layer in found.space.layers:
        own = {name: whole[f"{layer}/{name}"] for name in found.space.layers[layer]}
        colour = _SINGLE if own["n_groups"] >= 1 else _COLOURS[own["groups_from"]]
        labels = None if grouping is None else grouping.get(layer)
        share = own["n_groups"] if labels is None else len(np.unique(labels)) / len(labels)
        # One group is a bar one can see; a frozen layer has none.
        share = max(share, 0.006) if own["step_size"] else 0.0
        rows.append([layer, share, own["step_size"], colour, _words(own, labels)])
    return pd.DataFrame(rows, columns=columns)


def _assigned(layer: str, step: float, made: Any) -> list[Any]:
    """Return the row of a layer whose groups are assigned neuron by neuron."""
    if not step:
        return [layer, 0.0, step, _SINGLE, "frozen"]
    labels = made[layer]
    share = len(np.unique(labels)) / len(labels)
    return [layer, share, step, _SINGLE, f"{_formed(labels)}, step ×{step:g}"]


def _words(own: Mapping[str, Any], labels: NDArray[np.int64] | None) -> str:
    """Describe the settings of a layer."""
    if not own["step_size"]:
        return "frozen"
    share = own["n_groups"]
    if share >= 1:
        words = ["every neuron on its own"]
    else:
        requested = "one group" if share == 0 else f"{share:.0%} groups"
        words = [f"{requested if labels is None else _formed(labels)} from {own['groups_from']}"]
    words.append(f"step ×{own['step_size']:g}")
    if share < 1:
        words += [f"within ≤ {own['max_within']:g}"] if own["max_within"] is not None else []
        words += [f"between ≥ {own['min_between']:g}"] if own["min_between"] is not None else []
    return ", ".join(words)


def _formed(labels: NDArray[np.int64]) -> str:
    return f"{counted(len(np.unique(labels)), 'group')} of {len(labels)} neurons"

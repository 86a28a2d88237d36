"""A view of a search: its figure and its frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import unknown_name
from kshot_viz.text import counted
from kshot_viz.viz.search.policy import plot_entropy, plot_policy
from kshot_viz.viz.search.reward_curves import plot_search
from kshot_viz.viz.search.search_choices import chosen_frame, plot_chosen
from kshot_viz.viz.style.canvas import figure_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kshot_viz.search.result import SearchResult

VIEWS = {
    "policy": "Choices",
    "entropy": "Entropy",
    "chosen": "Best so far",
    "trials": "Trials",
}
_TRIALS = ["rollout", "reward", "best", "spent", "cost", "tasks", "status"]


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

"""Whether the best value of a setting lies at an edge of what was tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kshot_viz.study.settings.choice import at_chance, rounded_mean, standard_error, tried

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Edges:
    """The settings of one method on one task that a rule chooses among.

    Attributes
    ----------
    settings : DataFrame
        As of :func:`kshot_viz.study.settings.choice.standing`, smaller ones first.
    accuracies : ndarray, shape (settings, episodes)
    clear : bool
        Whether the best value must be better than all others by more than a standard error, as the
        guarded rule takes those within one for as good.
    way : int
    """

    settings: pd.DataFrame
    accuracies: np.ndarray
    clear: bool
    way: int

    @classmethod
    def of(cls, rows: pd.DataFrame, rule: str) -> Edges:
        """Return those of the tuning rows of one method on one task."""
        settings, accuracies = tried(rows)
        clear = rule == "guarded"
        kept = settings["nearby"] == settings["nearby"].min() if clear else settings["n_val"] > 0
        found = settings[kept].reset_index(drop=True)
        return cls(found, accuracies[kept.to_numpy()], clear, int(rows["way"].iloc[0]))

    def better_below(self, name: str, smallest: float) -> bool:
        """Return whether values below the smallest one may be better, or nothing is any good."""
        return self._best_at(name, smallest) or self._at_chance_from(name, smallest)

    def better_above(self, name: str, largest: float) -> bool:
        """Return whether values above the largest one may be better."""
        return self._best_at(name, largest)

    def _best_at(self, name: str, value: float) -> bool:
        """Return whether a setting with this value is better than all with other values."""
        at = (self.settings[name] == value).to_numpy()
        if not at.any() or at.all():
            return False
        best = self.accuracies[at][rounded_mean(self.accuracies[at]).argmax()]
        behind = best - self.accuracies[~at]
        queries = self.settings["n_query"].iloc[0]
        error = standard_error(behind, best.mean(), queries) if self.clear else 0.0
        return bool((rounded_mean(behind) > error).all())

    def _at_chance_from(self, name: str, value: float) -> bool:
        """Return whether nothing is better than guessing, and this value as good as any."""
        best = int(rounded_mean(self.accuracies).argmax())
        top = self.settings.iloc[best]
        chance = at_chance(top["val_accuracy"], top["n_query"], self.way)
        return bool(chance) and top[name] == value

"""From rows to curves: which values of a row are tracked, and under which names."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from kshot_viz.trackers.callback import Scalar

# What is tracked of a row, and the column that counts them; rows of runs are counted here.
_TRACKED: dict[str, tuple[str, tuple[str, ...]]] = {
    "finetune": ("step", ("loss", "accuracy")),
    "search_groups": ("rollout", ("reward", "best", "mean", "spent", "entropy", "gradient_norm")),
}
_OF_A_RUN = ("accuracy", "support_loss", "support_accuracy", "seconds")
Values = dict[str, float]


@dataclass
class Series:
    """The curves of one call.

    Rows of ``evaluate`` and ``compare_methods`` form a curve for each pool, way, number of
    shots and method, in the order in which they end.

    Attributes
    ----------
    kind : str
        The function that was called; see :class:`RunInfo`.
    """

    kind: str
    _counts: Counter[str] = field(default_factory=Counter)
    _accuracies: dict[str, list[float]] = field(default_factory=dict)
    _settings: dict[str, set[tuple[Scalar, ...]]] = field(default_factory=dict)

    def add(self, row: Mapping[str, Scalar]) -> tuple[int, Values]:
        """Return the number of a row in its curves, and its values by their names.

        Values that are missing or not finite are left out.
        """
        if self.kind in _TRACKED:
            number, names = _TRACKED[self.kind]
            return int(row[number] or 0), _finite(self.kind, row, names)
        name = f"{row['pool']}/{row['way']}-way/{row['shot']}-shot/{row['method']}"
        count = self._counts[name]
        self._counts[name] += 1
        self._accuracies.setdefault(name, []).append(float(row["accuracy"] or 0.0))
        self._settings.setdefault(name, set()).add((row["candidate"], row["steps"]))
        return count, _finite(name, row, _OF_A_RUN)

    def means(self) -> Values:
        """Return the mean accuracy of each curve in which all rows have one setting.

        The mean over settings that are tried says nothing about the one that is chosen.
        """
        return {
            f"mean_accuracy/{name}": sum(some) / len(some)
            for name, some in self._accuracies.items()
            if len(self._settings[name]) == 1
        }


def _finite(prefix: str, row: Mapping[str, Scalar], names: tuple[str, ...]) -> Values:
    found = {f"{prefix}/{name}": row.get(name) for name in names}
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    }

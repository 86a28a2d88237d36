"""Optuna's distributions cut into numbered parts."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, cast

from kshot_viz.errors import KShotValueError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# Ranges of numbers are cut into so many equal parts, at most.
PARTS = 8


class Discretised:
    """A distribution cut into numbered parts of equal width (of the logarithm, if it has one).

    Parameters
    ----------
    distribution : optuna.distributions.BaseDistribution
        Each choice of a categorical one, and each of at most ``PARTS`` integers or steps, is a part
        of its own.
    """

    def __init__(self, distribution: BaseDistribution) -> None:
        from optuna.distributions import (
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

        known = (CategoricalDistribution, FloatDistribution, IntDistribution)
        if type(distribution) not in known:
            raise KShotValueError(f"There are no parts of {distribution!r}.")
        self._of = cast(Any, distribution)
        self._choices = type(distribution) is CategoricalDistribution
        whole = type(distribution) is IntDistribution
        # The first step of each part, and the one after the last; none where values have no steps.
        self._starts = [] if self._choices or not (whole or self._of.step) else self._cut()

    @property
    def size(self) -> int:
        """Number of parts."""
        if self._choices:
            return len(self._of.choices)
        if self._starts:
            return len(self._starts) - 1
        return 1 if self._of.single() else PARTS

    def part(self, value: Any) -> int:
        """Return the part a value lies in."""
        if self._choices:
            return int(self._of.to_internal_repr(value))
        if self._starts:
            found = bisect_right(self._starts, round((value - self._of.low) / self._of.step)) - 1
        else:
            low, high = map(self._scale, (self._of.low, self._of.high))
            share = 0.0 if high == low else (self._scale(value) - low) / (high - low)
            found = math.floor(share * self.size)
        return min(self.size - 1, max(0, found))

    def value(self, part: int, within: float) -> Any:
        """Return the value at the share ``within``, in [0, 1), of a part's width."""
        if self._choices:
            return self._of.choices[part]
        if self._starts:
            first, after = self._starts[part : part + 2]
            return self._at(first + math.floor(within * (after - first)))
        low, high = map(self._scale, (self._of.low, self._of.high))
        found = low + (part + within) / self.size * (high - low)
        return min(self._of.high, max(self._of.low, math.exp(found) if self._of.log else found))

    def _cut(self) -> list[int]:
        """Cut the steps into parts that share none, and leave none out."""
        count = round((self._of.high - self._of.low) / self._of.step) + 1
        parts = min(PARTS, count)
        if self._of.log:
            ratio = (self._of.high + 1) / self._of.low
            ends = (self._of.low * (ratio ** (part / parts) - 1) for part in range(1, parts))
        else:
            ends = (part * count / parts for part in range(1, parts))
        inner = {math.ceil(end - 0.5) for end in ends} - {0, count}
        return [0, *sorted(inner), count]

    def _at(self, number: int) -> Any:
        value = self._of.low + number * self._of.step
        return value if isinstance(self._of.low, int) else min(self._of.high, float(value))

    def _scale(self, value: float) -> float:
        return math.log(value) if self._of.log else float(value)

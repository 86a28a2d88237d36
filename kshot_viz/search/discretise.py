"""Optuna's distributions as numbered choices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from kshot_viz.errors import KShotValueError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# Ranges of numbers are cut into so many equal parts, at most.
PARTS = 8


class Discretised:
    """A distribution cut into numbered parts of equal width (in the logarithm, where it asks).

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
        self._log = not self._choices and self._of.log
        step = None if self._choices or self._log else self._of.step
        self._values = None if step is None else round((self._of.high - self._of.low) / step) + 1

    @property
    def size(self) -> int:
        """Number of parts."""
        if self._choices:
            return len(self._of.choices)
        if self._of.single():
            return 1
        return PARTS if self._values is None else min(PARTS, self._values)

    def part(self, value: Any) -> int:
        """Return the part a value lies in."""
        if self._choices:
            return int(self._of.to_internal_repr(value))
        return min(self.size - 1, max(0, math.floor(self._position(value) * self.size)))

    def value(self, part: int, within: float) -> Any:
        """Return the value at ``within``, in [0, 1), of the way through a part."""
        if self._choices:
            return self._of.choices[part]
        if self._of.single():
            return self._of.low
        position = (part + within) / self.size
        if self._values is not None:
            first, after = self._span(part)
            return self._at(first + math.floor(within * (after - first)))
        low, high = self._ends()
        value = (
            math.exp(low + position * (high - low)) if self._log else low + position * (high - low)
        )
        whole = math.floor(value) if self._is_int else value
        return min(self._of.high, max(self._of.low, whole))

    @property
    def _is_int(self) -> bool:
        return isinstance(self._of.low, int)

    def _span(self, part: int) -> tuple[int, int]:
        """Return the numbers of the steps that lie in a part, the last excluded."""
        assert self._values is not None
        ends = [math.ceil(end * self._values / self.size - 0.5) for end in (part, part + 1)]
        return ends[0], ends[1]

    def _at(self, number: int) -> Any:
        value = self._of.low + number * self._of.step
        return value if self._is_int else min(self._of.high, float(value))

    def _position(self, value: Any) -> float:
        """Return how far through the whole range a value lies, in [0, 1]."""
        if self._values is not None:
            return (round((value - self._of.low) / self._of.step) + 0.5) / self._values
        low, high = self._ends()
        given = math.log(value) if self._log else value
        return 0.0 if high == low else (given - low) / (high - low)

    def _ends(self) -> tuple[float, float]:
        # An integer stands for all up to the next one.
        low, high = self._of.low, self._of.high + (1 if self._is_int else 0)
        return (math.log(low), math.log(high)) if self._log else (low, high)

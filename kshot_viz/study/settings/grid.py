"""Which settings every method may choose from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from kshot_viz.checks import check, mapping
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.methods.base import Method

_LISTS = ("lrs", "head_lrs", "head_only_lrs", "steps")


@dataclass(frozen=True)
class TuningGrid:
    """Step sizes and step counts that every method may choose from.

    A method that moves the body tries every pair of ``lrs`` and ``head_lrs``. The head's step size
    has to be among what is tuned: a small one makes the new head follow the class means, and a
    method that may not choose it looks worse than it is.

    Attributes
    ----------
    lrs : tuple of float
        Step sizes of the body.
    head_lrs : tuple of float
        Step sizes of the head beside a moving body.
    head_only_lrs : tuple of float
        Step sizes of the head where nothing else moves.
    steps : tuple of int
        Step counts; one run of the longest serves them all.
    others : mapping of str to tuple
        Values of further settings that methods tune; a method's own ``tries`` by default.
    extend : int
        How many values may be added beyond the smallest or largest step size where the best setting
        of a method is there; all methods get them. One of which only one value is given is fixed.
    """

    lrs: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
    head_lrs: tuple[float, ...] = (0.01, 0.1)
    head_only_lrs: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    steps: tuple[int, ...] = (5, 10, 20, 40)
    others: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    extend: int = 3

    def __post_init__(self) -> None:
        for name in _LISTS:
            object.__setattr__(self, name, _ascending(name, getattr(self, name)))
        check("others", self.others, mapping)
        object.__setattr__(self, "others", dict(self.others))
        if any(int(count) != count for count in self.steps):
            raise KShotValueError(f"`steps` must be whole numbers; not {self.steps}.")
        if isinstance(self.extend, bool) or not isinstance(self.extend, int) or self.extend < 0:
            raise KShotValueError(f"`extend` must be an integer >= 0; not {self.extend!r}.")

    @property
    def last(self) -> int:
        """The longest step count."""
        return self.steps[-1]

    def values(self, method: Method, setting: str) -> tuple[Any, ...]:
        """Return the values that a method tries for one of its tuned settings.

        Raises
        ------
        KShotValueError
            If neither the grid nor the method names any.
        """
        if setting == "lr":
            return self.lrs
        if setting == "head_lr":
            return self.head_lrs if "lr" in method.tuned else self.head_only_lrs
        found = self.others.get(setting, method.tries.get(setting, ()))
        if not found:
            raise KShotValueError(
                f"{method.name!r} tunes {setting!r}, for which there are no values: give "
                f"TuningGrid(others={{{setting!r}: (...)}})."
            )
        return tuple(found)

    def tuned(self, method: Method) -> dict[str, tuple[Any, ...]]:
        """Return the values that a method tries for each of its tuned settings.

        Raises
        ------
        KShotValueError
            If values of the first one, over which accuracy is drawn, are no numbers.
        """
        found = {name: self.values(method, name) for name in method.tuned}
        wrong = [one for one in found.get(method.axis, ()) if not isinstance(one, (int, float))]
        if wrong:
            raise KShotValueError(
                f"The first setting that {method.name!r} tunes, {method.axis!r}, must have numbers "
                f"as values, since accuracy is drawn over it; not {wrong[0]!r}."
            )
        return found

    def candidates(
        self, rival: Candidate, values: Mapping[str, Sequence[Any]] | None = None
    ) -> list[Candidate]:
        """Return the rival at every setting, for the longest step count.

        For every count where the method is scheduled: a longer run does not stand for a shorter.

        Parameters
        ----------
        rival : Candidate
        values : mapping of str to sequence, optional
            As :meth:`tuned` returns them, and by default what it returns.
        """
        found = self.tuned(rival.method) if values is None else values
        counts = self._counts(rival.method)
        points = product(*found.values(), counts)
        return [rival.at(**dict(zip((*found, "steps"), one, strict=True))) for one in points]

    def beside(self, rival: Candidate) -> list[Candidate]:
        """Return a ready-made candidate at its own settings, unless they are in the grid."""
        found = self.tuned(rival.method)
        if all(rival.setting(name) in values for name, values in found.items()):
            return []
        return [rival.at(steps=steps) for steps in self._counts(rival.method)]

    def thinned(self) -> TuningGrid:
        """Return the grid with every second step size where there are more than two."""
        given = {name: getattr(self, name) for name in _LISTS if name != "steps"}
        # A single value would be fixed, and no longer tuned.
        lists = {name: one[::2] if len(one) > 2 else one for name, one in given.items()}
        return replace(self, **lists)

    def holds(self, candidate: Candidate) -> bool:
        """Return whether a candidate's setting is one that the grid tries."""
        method = candidate.method
        inside = all(candidate.setting(n) in self.values(method, n) for n in method.tuned)
        counts = self.steps if method.takes_steps else (0,)
        return inside and candidate.config.steps in counts

    def _counts(self, method: Method) -> tuple[int, ...]:
        if not method.takes_steps:
            return (0,)
        return self.steps if method.scheduled else (self.last,)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        others = {name: list(values) for name, values in self.others.items()}
        lists = {name: list(getattr(self, name)) for name in _LISTS}
        return lists | {"others": others, "extend": self.extend}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TuningGrid:
        """Rebuild a grid."""
        others = {name: tuple(values) for name, values in record.get("others", {}).items()}
        lists = {name: tuple(record[name]) for name in _LISTS if name in record}
        return cls(**lists, others=others, extend=record.get("extend", cls.extend))


def _ascending(name: str, values: Sequence[float]) -> tuple[Any, ...]:
    try:
        ordered = tuple(sorted(set(values)))
        fine = bool(ordered) and all(math.isfinite(value) and value > 0 for value in ordered)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        fine = False
    if not fine:
        raise KShotValueError(f"`{name}` must be one or more positive numbers; not {values!r}.")
    return ordered

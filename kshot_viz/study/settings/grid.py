"""Which settings every method may choose from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from kshot_viz.checks import check, mapping, number, several
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.methods.base import Method
from kshot_viz.models.nearest_mean import feature_power
from kshot_viz.records import plain

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

_LISTS = ("lrs", "head_lrs", "head_only_lrs", "steps")
_STEP_SIZES = ("lrs", "head_lrs", "head_only_lrs", "feature_steps")


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
    feature_steps : tuple of float
        Step sizes of the head in units of one over the mean squared length of the features, instead
        of ``head_lrs`` and ``head_only_lrs``; those stay for methods with a head of their own
        (``own_head``), such as a cosine head. One step of SGD of size 1 without momentum changes a
        logit by at most about 1, whatever the network, so what is chosen on one network suits
        another (the normalised least-mean-squares rule of Nagumo and Noda, IEEE Trans. Automatic
        Control 1967).
    others : mapping of str to tuple
        Values of further settings that methods tune; a method's own ``tries`` by default.
    extend : int
        How many values may be added beyond the smallest or largest step size where the best setting
        of a method is there; all methods get them. One of which only one value is given is fixed.
    unit : float
        That of ``feature_steps``; 0 until :meth:`measured`. A comparison measures it anew, on the
        support of its first episode, for all numbers of shots.
    """

    lrs: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
    head_lrs: tuple[float, ...] = (0.01, 0.1)
    head_only_lrs: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    steps: tuple[int, ...] = (5, 10, 20, 40)
    feature_steps: tuple[float, ...] = ()
    others: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    extend: int = 3
    unit: float = 0.0

    def __post_init__(self) -> None:
        for name in _LISTS:
            object.__setattr__(self, name, _ascending(name, getattr(self, name)))
        steps = self.feature_steps
        some = isinstance(steps, (int, float)) or len(steps) > 0
        steps = _ascending("feature_steps", steps) if some else ()
        object.__setattr__(self, "feature_steps", steps)
        check("unit", self.unit, number(0))
        check("others", self.others, mapping)
        for name, values in self.others.items():
            check(f"others[{name!r}]", values, several)
        others = {name: tuple(map(plain, values)) for name, values in self.others.items()}
        object.__setattr__(self, "others", others)
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
            If neither the grid nor the method names any, or the unit of ``feature_steps`` was not
            measured.
        """
        if setting == "lr":
            return self.lrs
        if setting == "head_lr" and self._by_features(method):
            return tuple(dict.fromkeys(map(self._size, self.feature_steps)))
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

    def measured(self, backbone: Backbone, images: Any) -> TuningGrid:
        """Return the grid with the unit of ``feature_steps`` on some images of a task."""
        if not self.feature_steps:
            return self
        power = feature_power(backbone, images)
        # Features that are all zero train with any step size.
        return replace(self, unit=1.0 / power if power > 0 else 1.0)

    def across(self, candidate: Candidate) -> str:
        """Name a candidate's tuned settings as other networks name those that correspond."""
        method = candidate.method
        named = {name: candidate.setting(name) for name in method.tuned}
        if "head_lr" in named and self._by_features(method):
            steps = {self._size(step): step for step in self.feature_steps}
            step = steps.get(named["head_lr"])
            # A size that is none of the steps corresponds to none of another network.
            named |= {"unit": self.unit} if step is None else {"head_lr": None, "step": step}
        return json.dumps(named)

    def _by_features(self, method: Method) -> bool:
        return bool(self.feature_steps) and not method.own_head

    def _size(self, step: float) -> float:
        if not self.unit:
            raise KShotValueError(
                "`feature_steps` have no unit before `TuningGrid.measured(backbone, images)`."
            )
        # Three digits, so that the number reads well and does not depend on rounding.
        return float(f"{step * self.unit:.3g}")

    def thinned(self) -> TuningGrid:
        """Return the grid with every second step size where there are more than two."""
        given = {name: getattr(self, name) for name in _STEP_SIZES}
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
        found = lists | {"others": others, "extend": self.extend}
        if self.feature_steps:
            found |= {"feature_steps": list(self.feature_steps), "unit": self.unit}
        return found

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TuningGrid:
        """Rebuild a grid."""
        known = (*_LISTS, "feature_steps", "extend", "unit")
        given: dict[str, Any] = {name: record[name] for name in known if name in record}
        others = {name: tuple(values) for name, values in record.get("others", {}).items()}
        return cls(**given, others=others)


def _ascending(name: str, values: Sequence[float]) -> tuple[Any, ...]:
    try:
        ordered = tuple(sorted(set(map(plain, values))))
        fine = bool(ordered) and all(math.isfinite(value) and value > 0 for value in ordered)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        fine = False
    if not fine:
        raise KShotValueError(f"`{name}` must be one or more positive numbers; not {values!r}.")
    return ordered

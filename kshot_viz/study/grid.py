"""Which settings every method may choose from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from typing import Any

from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.candidate import Candidate


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
    """

    lrs: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
    head_lrs: tuple[float, ...] = (0.01, 0.1)
    head_only_lrs: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    steps: tuple[int, ...] = (5, 10, 20, 40)

    def __post_init__(self) -> None:
        for item in fields(self):
            object.__setattr__(self, item.name, _ascending(item.name, getattr(self, item.name)))
        if any(int(count) != count for count in self.steps):
            raise KShotValueError(f"`steps` must be whole numbers; not {self.steps}.")

    @property
    def last(self) -> int:
        """The longest step count."""
        return self.steps[-1]

    def candidates(self, contender: Candidate) -> list[Candidate]:
        """Return the contender at every setting, for the longest step count."""
        if swept(contender) == "head_lr":
            settings = [{"head_lr": head_lr} for head_lr in self.head_only_lrs]
        else:
            pairs = product(self.lrs, self.head_lrs)
            settings = [{"lr": lr, "head_lr": head_lr} for lr, head_lr in pairs]
        return [at_setting(contender, steps=self.last, **setting) for setting in settings]

    def holds(self, candidate: Candidate) -> bool:
        """Tell whether a candidate's setting is one that the grid tries."""
        config = candidate.config
        if swept(candidate) == "head_lr":
            inside = config.head_lr in self.head_only_lrs
        else:
            inside = config.lr in self.lrs and config.head_lr in self.head_lrs
        return inside and config.steps in self.steps

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TuningGrid:
        """Rebuild a grid."""
        return cls(**{name: tuple(values) for name, values in record.items()})


def swept(contender: Candidate) -> str:
    """Name the step size that curves are drawn over: the head's where nothing else moves."""
    return "head_lr" if contender.method == "head_only" else "lr"


def at_setting(contender: Candidate, **setting: Any) -> Candidate:
    """Return the contender with other step sizes or another step count."""
    return replace(contender, config=contender.config.but(**setting))


def _ascending(name: str, values: Sequence[float]) -> tuple[Any, ...]:
    try:
        ordered = tuple(sorted(set(values)))
        fine = bool(ordered) and all(math.isfinite(value) and value > 0 for value in ordered)
    except TypeError:
        fine = False
    if not fine:
        raise KShotValueError(f"`{name}` must be one or more positive numbers; not {values!r}.")
    return ordered

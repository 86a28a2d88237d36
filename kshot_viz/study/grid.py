"""Which settings every method may choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.candidate import Candidate


@dataclass(frozen=True)
class TuningGrid:
    """Step sizes and step counts, the same number for every method.

    Attributes
    ----------
    lrs : tuple of float
        Step sizes of the body, for methods that move it. Their head keeps the config's own.
    head_lrs : tuple of float
        Step sizes of the head, for the method that moves nothing else.
    steps : tuple of int
        Step counts; one run of the longest serves them all.
    """

    lrs: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
    head_lrs: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0)
    steps: tuple[int, ...] = (5, 10, 20, 40)

    def __post_init__(self) -> None:
        for name in ("lrs", "head_lrs", "steps"):
            object.__setattr__(self, name, _ascending(name, getattr(self, name)))
        if any(int(count) != count for count in self.steps):
            raise KShotValueError(f"`steps` must be whole numbers; not {self.steps}.")

    @property
    def last(self) -> int:
        """The longest step count."""
        return self.steps[-1]

    def candidates(self, contender: Candidate) -> list[Candidate]:
        """Return the contender at every step size, for the longest step count."""
        name = swept(contender)
        rates = self.head_lrs if name == "head_lr" else self.lrs
        return [_at(contender, {name: rate, "steps": self.last}) for rate in rates]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TuningGrid:
        """Rebuild a grid."""
        return cls(**{name: tuple(values) for name, values in record.items()})


def swept(contender: Candidate) -> str:
    """Name the step size that is tuned: the head's where nothing else moves."""
    return "head_lr" if contender.method == "head_only" else "lr"


def at_setting(contender: Candidate, step_size: float, steps: int) -> Candidate:
    """Return the contender with a chosen step size and step count."""
    return _at(contender, {swept(contender): step_size, "steps": steps})


def _at(contender: Candidate, changes: dict[str, Any]) -> Candidate:
    return replace(contender, config=contender.config.but(**changes))


def _ascending(name: str, values: Sequence[float]) -> tuple[Any, ...]:
    ordered = tuple(sorted(set(values)))
    if not ordered or ordered[0] <= 0:
        raise KShotValueError(f"`{name}` must be one or more positive numbers; not {values!r}.")
    return ordered

"""What methods share that let parts of a network begin to train at different steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kshot_viz.checks import check, number
from kshot_viz.errors import KShotValueError
from kshot_viz.methods.base import Step


def stay(step: Step, names: Iterable[str]) -> None:
    """Leave the slots of these names as they are in a step."""
    for name in names:
        step.lr[name] = 0.0


def check_share(name: str, value: Any) -> None:
    """Raise a KShotValueError unless a value is a number from 0 to 1."""
    check(name, value, number(0))
    if value > 1:
        raise KShotValueError(f"`{name}` must be from 0 to 1; not {value!r}.")

"""What methods share that let parts of a network begin to train at different steps."""

from __future__ import annotations

from collections.abc import Iterable

from kshot_viz.methods.hooks import Step


def stay(step: Step, names: Iterable[str]) -> None:
    """Leave the slots of these names as they are in a step."""
    for name in names:
        step.lr[name] = 0.0

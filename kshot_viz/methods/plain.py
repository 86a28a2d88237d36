"""Plain fine-tuning, the reference that all others are compared with."""

from __future__ import annotations

from dataclasses import dataclass

from kshot_viz.methods.base import Method, MethodStyle
from kshot_viz.methods.registry import register_method


@register_method
@dataclass(frozen=True)
class Plain(Method):
    """All parameters train, each on its own."""

    name = "plain"
    label = "plain"
    style = MethodStyle(label, "#0072B2", "o", "-")

"""Texts of figures and tables: numbers with intervals, p-values, ranges of counts, short names."""

from __future__ import annotations

import math
from typing import Any

from kshot_viz.text import counted


def interval_text(value: float, low: float, high: float, form: str, unit: str = "") -> str:
    """Return ``"71.4 [70.1, 72.6]"``, or the value alone where there is no interval.

    Parameters
    ----------
    value, low, high : float
    form : str
        Format specification of one number, ``".1f"`` or ``"+.1f"``.
    unit : str
        Written after the value.
    """
    text = f"{value:{form}}{unit}"
    return text if math.isnan(low) else f"{text} [{low:{form}}, {high:{form}}]"


def points(share: float) -> str:
    """Return a difference of shares as ``"+0.9"`` points; what rounds to zero has no sign."""
    rounded = round(100 * share, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def p_text(p: float) -> str:
    """Return ``"0.012"``, ``"<0.001"``, or nothing where there is no test."""
    if math.isnan(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def count_range(numbers: Any, one: str) -> str:
    """Return ``"6 episodes"``, or ``"5 to 6 episodes"`` where rows differ."""
    low, high = int(min(numbers)), int(max(numbers))
    return counted(low, one) if low == high else f"{low} to {counted(high, one)}"


def shortened(name: str, longest: int) -> str:
    """Return a name of at most ``longest`` characters."""
    return name if len(name) <= longest else f"{name[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"

"""Rows of the summary of a comparison, written by hand."""

from __future__ import annotations

import json
from typing import Any

NAN = float("nan")
TASK = {"data": "digits", "backbone": "glyphnet", "way": 10}
CLEAR = {"difference": 0.031, "difference_low": 0.021, "difference_high": 0.041, "p_holm": 0.004}


def summary_row(method: str = "grouped", **changes: Any) -> dict[str, Any]:
    row = {
        **TASK,
        "shot": 1,
        "method": method,
        "accuracy": 0.714,
        "low": 0.701,
        "high": 0.726,
        "n": 20,
        "step_size": 0.003,
        "head_lr": 0.1,
        "steps": 20,
        "difference": 0.009,
        "difference_low": -0.004,
        "difference_high": 0.022,
        "p_value": 0.2,
        "p_holm": 0.4,
        "diverged": 0,
    }
    if method == "plain":
        nothing = {"difference_low": NAN, "difference_high": NAN, "p_value": NAN, "p_holm": NAN}
        row |= {"difference": 0.0, **nothing}
    row |= changes
    adjusted = {"adjusted_low": row["difference_low"], "adjusted_high": row["difference_high"]}
    return {"tuned": tuned(method), **adjusted, **row}


def tuned(method: str) -> str:
    return json.dumps({"head_lr": 0.1} if method == "head_only" else {"lr": 0.003, "head_lr": 0.1})

"""Rows of a comparison written by hand, with what choosing and summarising need."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def row(method: str = "plain", accuracy: float = 0.5, **changes: Any) -> Row:
    """Return a row of a tuning episode."""
    found = {
        "method": method,
        "data": "toy",
        "backbone": "net",
        "way": 3,
        "shot": 1,
        "pool": "val",
        "episode": "val/0",
        "n_query": 30,
        "lr": 0.01,
        "head_lr": 0.1,
        "step_size": 0.01,
        "steps": 8,
        "accuracy": accuracy,
        "status": "ok",
        "chosen": True,
    } | changes
    names = ["head_lr"] if method == "head_only" else ["lr", "head_lr"]
    setting = f"{found['lr']} {found['head_lr']}"
    return {"tuned": json.dumps({one: found[one] for one in names}), "setting": setting} | found


def tuned(accuracies: Sequence[float], lr: float = 0.01, **changes: Any) -> list[Row]:
    """Return the rows of one setting on several tuning episodes."""
    return [
        row(accuracy=one, lr=lr, step_size=lr, episode=f"val/{i}", **changes)
        for i, one in enumerate(accuracies)
    ]


def scored(method: str, accuracies: Sequence[float], **changes: Any) -> list[Row]:
    """Return the rows of one method on several test episodes."""
    return [
        row(method, value, pool="test", episode=f"test/{i}", **changes)
        for i, value in enumerate(accuracies)
    ]

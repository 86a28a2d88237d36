"""Two small tasks for studies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from networks import toy_backbone, toy_data

import kshot_viz as kv


def tasks(**changes: Any) -> list[kv.StudyTask]:
    """Return a task of each of two data sets, with a common network."""
    backbone = toy_backbone()
    sets = [replace(toy_data(3, 24, seed=seed), name=name) for seed, name in ((0, "a"), (1, "b"))]
    given = {"shots": (1, 2), "query": 4, "episodes": 4} | changes
    return [kv.StudyTask(backbone, one, **given) for one in sets]

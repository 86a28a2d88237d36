"""What is known of the candidates from other tasks: their regret, measured once and shipped.

The file holds a row for each task and candidate: how many points it was behind the best method and
setting in hindsight. ``benchmarks/recommend_regret.py`` makes it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

FILE = "prior.json"
# A mean over fewer data sets says more of these than of methods.
FEWEST = 3


def shipped_prior(shot: int) -> dict[str, float]:
    """Return the mean regret of each candidate's method in points, see :func:`mean_regrets`.

    Empty where no task was measured.
    """
    return mean_regrets(_rows(), shot)


def mean_regrets(
    rows: Iterable[Mapping[str, Any]], shot: int, *, without: str = ""
) -> dict[str, float]:
    """Return the mean regret of each method over data sets, at the nearest number of shots.

    Parameters
    ----------
    rows : iterable of mapping
        With ``data, backbone, shot, method, regret``.
    shot : int
        Images of a class. Of the numbers that were measured on three data sets and more, or else of
        all, the one at the smallest ratio to it counts. Every method has the same tasks.
    without : str
        Data of which no row counts.
    """
    kept = [one for one in rows if one["data"] != without]
    if not kept:
        return {}
    data = {n: {one["data"] for one in kept if one["shot"] == n} for n in _shots(kept)}
    enough = [n for n in data if len(data[n]) >= FEWEST] or [*data]
    near = min(enough, key=lambda n: (abs(math.log(n / shot)), n))
    by_method: dict[str, dict[str, list[float]]] = {}
    for one in kept:
        if one["shot"] == near:
            of_data = by_method.setdefault(one["method"], {})
            of_data.setdefault(one["data"], []).append(float(one["regret"]))
    return {name: _mean(map(_mean, each.values())) for name, each in by_method.items()}


def _shots(rows: Iterable[Mapping[str, Any]]) -> list[int]:
    return sorted({one["shot"] for one in rows})


def _mean(values: Iterable[float]) -> float:
    every = list(values)
    return sum(every) / len(every)


@cache
def _rows() -> tuple[Mapping[str, Any], ...]:
    path = files("kshot_viz.study.recommendation") / FILE
    return tuple(json.loads(path.read_text("utf-8"))["rows"]) if path.is_file() else ()

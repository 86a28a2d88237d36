"""Rollouts of a search, as batches and as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kshot_viz.search.spaces.base import Space

if TYPE_CHECKING:
    import pandas as pd

# Rollouts in a moving average of rewards.
MOVING = 20


@dataclass(frozen=True)
class Rollout:
    """One finished trial.

    Attributes
    ----------
    number : int
    parameters : mapping
    reward : float
    record : mapping
        Everything else that is stored of it; plain JSON values.
    """

    number: int
    parameters: Mapping[str, Any]
    reward: float
    record: Mapping[str, Any]


def batches(rollouts: Sequence[Rollout], size: int) -> list[list[Rollout]]:
    """Cut rollouts into batches; the last one may be incomplete."""
    found: dict[int, list[Rollout]] = {}
    for one in rollouts:
        found.setdefault(one.number // size, []).append(one)
    return [found[number] for number in sorted(found)]


def history_frame(rollouts: Sequence[Rollout], manifest: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a rollout.

    Returns
    -------
    DataFrame
        ``rollout, batch, reward, best`` (so far, of those that ran all tasks), ``mean`` (moving
        average of the last 20), ``spent`` (budget so far), ``cost, steps, tasks, status, candidate,
        log_probability`` (of all that was chosen), ``advantage, entropy, gradient_norm`` and every
        parameter. Columns without a value for a sampler are NaN.
    """
    import pandas as pd

    names = ["reward", "cost", "steps", "tasks", "status", "candidate"]
    learned = ["log_probability", "advantage", "entropy", "gradient_norm"]
    size = int(manifest["batch_size"])
    updates = {
        one.number // size: one.record["update"] for one in rollouts if "update" in one.record
    }
    rows = [
        {
            "rollout": one.number,
            "batch": one.number // size,
            **{name: ({**one.record, "reward": one.reward}).get(name) for name in names},
            **_learned(updates.get(one.number // size), one.number % size),
            **one.parameters,
        }
        for one in rollouts
    ]
    searched = list(rollouts[0].parameters) if rollouts else []
    frame = pd.DataFrame(rows, columns=["rollout", "batch", *names, *learned, *searched])
    frame[learned] = frame[learned].astype(float)
    whole = frame["tasks"] == manifest["reward"]["episodes"]
    frame.insert(3, "best", frame["reward"].where(whole).cummax().ffill())
    frame.insert(4, "mean", frame["reward"].rolling(MOVING, min_periods=1).mean())
    frame.insert(5, "spent", frame["cost"].cumsum())
    return frame


def policy_frame(rollouts: Sequence[Rollout], space: Space) -> pd.DataFrame:
    """Return the probability of each value of each parameter, batch by batch.

    Returns
    -------
    DataFrame
        ``batch, parameter, value, probability``; empty for samplers without a policy.
    """
    import pandas as pd

    values = space.values
    rows = [
        [batch, parameter, str(value), probability]
        for batch, policy in enumerate(
            one.record["update"]["policy"] for one in rollouts if "update" in one.record
        )
        for parameter, shares in policy.items()
        for value, probability in zip(values[parameter], shares, strict=True)
    ]
    return pd.DataFrame(rows, columns=["batch", "parameter", "value", "probability"])


def _learned(update: Mapping[str, Any] | None, index: int) -> dict[str, float]:
    """Return the controller's columns of one rollout of a batch."""
    if update is None:
        return {}
    return {
        "log_probability": sum(map(math.log, update["probabilities"][index].values())),
        "advantage": update["advantages"][index],
        "entropy": update["entropy"],
        "gradient_norm": update["gradient_norm"],
    }

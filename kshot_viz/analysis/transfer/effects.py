"""From rows to effects: differences to random weights, paired by episode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kshot_viz.analysis.transfer.cells import RANDOM, STARTS
from kshot_viz.stats import holm, paired_differences, paired_test

if TYPE_CHECKING:
    import pandas as pd

FROZEN, FULL = "frozen", "all"
TASK = ["target", "network", "shot"]
CELL = ["source", "target", "network", "start", "shot"]
EFFECTS = [
    *CELL, "method", "difference", "low", "high", "adjusted_low", "adjusted_high", "p_value",
    "p_holm", "n", "seeds", "seed_low", "seed_high", "verdict",
]  # fmt: skip
LEVEL = 0.05
HELPS, HARMS = "helps", "harms"
UNCLEAR, TOO_FEW = "not clear", "too few episodes"


def effects(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of :meth:`TransferGrid.effects`."""
    import pandas as pd

    gains = paired_gains(rows)
    found = []
    for _, task in gains.groupby(TASK, sort=False):
        cells = list(task.groupby(CELL, sort=False))
        made = [_effect(key, part, len(cells)) for key, part in cells]
        for one, p in zip(made, holm([one["p_value"] for one in made]), strict=True):
            found.append(one | {"p_holm": p, "verdict": _verdict(one, p, len(cells))})
    return pd.DataFrame(found, columns=EFFECTS)


def paired_gains(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of sources with ``reference``, the accuracy of random weights, and ``gain``.

    Of the same target, network, method, shot, seed and episode.
    """
    same = [*TASK, "method", "seed", "episode"]
    random = rows["source"] == RANDOM
    reference = rows[random][[*same, "accuracy"]].rename(columns={"accuracy": "reference"})
    found = rows[~random].merge(reference, on=same, how="inner")
    return found.assign(gain=paired_differences(found["accuracy"], found["reference"]))


def start_order(names: Any) -> list[str]:
    """Return names of starts in their usual order, hybrids by their cuts as they come."""
    order = [*STARTS]
    return sorted(dict.fromkeys(names), key=lambda one: order.index(str(one).partition(":")[0]))


def is_clear(verdict: str) -> bool:
    """Return whether a verdict says that there is a difference."""
    return verdict not in (UNCLEAR, TOO_FEW)


def enough_episodes(tests: int) -> int:
    """Return the least number of episodes with which one of so many tests can be clear.

    The smallest two-sided p of Wilcoxon's test of n pairs is 2 / 2^n, and the smallest of several
    is multiplied by their number.
    """
    n = 2
    while tests * 2 / 2**n >= LEVEL:
        n += 1
    return n


def sign_of(test: Mapping[str, Any], p_holm: float, tests: int) -> int | str:
    """Return 1 or -1 for a difference clearly above or below zero, else why there is none.

    Parameters
    ----------
    test : mapping
        ``adjusted_low, adjusted_high`` and ``n``.
    p_holm : float
    tests : int
        How many were made of the same target, network and shot.
    """
    if p_holm < LEVEL and test["adjusted_low"] > 0:
        return 1
    if p_holm < LEVEL and test["adjusted_high"] < 0:
        return -1
    return TOO_FEW if test["n"] < enough_episodes(tests) else UNCLEAR


def _effect(key: Any, part: pd.DataFrame, rivals: int) -> dict[str, Any]:
    """Return one effect; an episode counts by its mean over seeds."""
    by_episode = part.groupby("episode")[["accuracy", "reference"]].mean().sort_index()
    both = by_episode["accuracy"].to_numpy(), by_episode["reference"].to_numpy()
    usual, wider = (paired_test(*both, level=1 - LEVEL / n) for n in (1, rivals))
    by_seed = part.groupby("seed")["gain"].mean()
    return {
        **dict(zip(CELL, key, strict=True)),
        "method": part["method"].iloc[0],
        "difference": usual.difference.mean,
        "low": usual.difference.low,
        "high": usual.difference.high,
        "adjusted_low": wider.difference.low,
        "adjusted_high": wider.difference.high,
        "p_value": usual.p_value,
        "n": usual.difference.n,
        "seeds": len(by_seed),
        "seed_low": float(by_seed.min()),
        "seed_high": float(by_seed.max()),
    }


def _verdict(effect: dict[str, Any], p_holm: float, rivals: int) -> str:
    sign = sign_of(effect, p_holm, rivals)
    if isinstance(sign, str):
        return sign
    return HELPS if sign > 0 else HARMS

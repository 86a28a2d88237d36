"""From rows to effects: differences to random weights, paired by episode, and the masking index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kshot_viz.analysis.transfer.cells import RANDOM, STARTS
from kshot_viz.errors import KShotValueError
from kshot_viz.stats import Interval, bootstrap_mean, holm, paired_differences, paired_test

if TYPE_CHECKING:
    import pandas as pd

FROZEN, FULL = "frozen", "all"
TASK = ["target", "network", "shot"]
CELL = ["source", "target", "network", "start", "shot"]
EFFECTS = [
    *CELL, "method", "difference", "low", "high", "adjusted_low", "adjusted_high", "p_value",
    "p_holm", "n", "seeds", "seed_low", "seed_high", "verdict",
]  # fmt: skip
MASKING = [
    "source", *TASK, "frozen_gain", "frozen_low", "frozen_high", "full_gain", "full_low",
    "full_high", "index", "low", "high", "n", "seeds", "verdict",
]  # fmt: skip
LEVEL = 0.05
UNCLEAR = "not clear"


def effects(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of :meth:`TransferGrid.effects`."""
    import pandas as pd

    gains = paired_gains(rows)
    found = []
    for _, task in gains.groupby(TASK, sort=False):
        cells = list(task.groupby(CELL, sort=False))
        made = [_effect(key, part, len(cells)) for key, part in cells]
        for one, p in zip(made, holm([one["p_value"] for one in made]), strict=True):
            found.append(one | {"p_holm": p, "verdict": _verdict(one, p)})
    return pd.DataFrame(found, columns=EFFECTS)


def masking(rows: pd.DataFrame, start: str = FULL) -> pd.DataFrame:
    """Return the rows of :meth:`TransferGrid.masking`."""
    import pandas as pd

    gains = paired_gains(rows)
    have = start_order(gains["start"])
    if missing := [one for one in (FROZEN, start) if one not in have]:
        raise KShotValueError(
            f"The masking index needs the starts {FROZEN!r} and {start!r}; this grid lacks "
            f"{', '.join(map(repr, missing))} of {', '.join(map(repr, have))}."
        )
    found = []
    for key, part in gains.groupby(["source", *TASK], sort=False):
        wide = part.pivot_table("gain", "episode", "start").sort_index()
        frozen, full = (wide[one].to_numpy() for one in (FROZEN, start))
        made = {
            name: bootstrap_mean(values)
            for name, values in (
                ("frozen", frozen),
                ("full", full),
                ("index", paired_differences(frozen, full)),
            )
        }
        index = made.pop("index")
        found.append(
            dict(zip(["source", *TASK], key, strict=True))
            | {f"{name}_{part}": value for name, one in made.items() for part, value in _of(one)}
            | {"index": index.mean, "low": index.low, "high": index.high, "n": index.n}
            | {"seeds": len(part["seed"].unique()), "verdict": _hidden(made["frozen"], index)}
        )
    return pd.DataFrame(found, columns=MASKING)


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


def _verdict(effect: dict[str, Any], p_holm: float) -> str:
    if not p_holm < LEVEL:
        return UNCLEAR
    if effect["adjusted_low"] > 0:
        return "helps"
    return "harms" if effect["adjusted_high"] < 0 else UNCLEAR


def _of(one: Interval) -> Iterator[tuple[str, float]]:
    yield from (("gain", one.mean), ("low", one.low), ("high", one.high))


def _hidden(frozen: Interval, index: Interval) -> str:
    """Say what full fine-tuning does to a gain: only what is there can be hidden."""
    if index.low > 0:
        return "hides an advantage" if frozen.low > 0 else "lowers the gain"
    if index.high < 0:
        return "hides a disadvantage" if frozen.high < 0 else "raises the gain"
    return UNCLEAR

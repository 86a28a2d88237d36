"""The masking index: how much of a source's gain with frozen features fine-tuning takes away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kshot_viz.analysis.transfer.effects import (
    FROZEN,
    FULL,
    HARMS,
    HELPS,
    LEVEL,
    TASK,
    paired_gains,
    sign_of,
    start_order,
)
from kshot_viz.errors import KShotValueError
from kshot_viz.stats import bootstrap_mean, holm, paired_test

if TYPE_CHECKING:
    import pandas as pd

MASKING = [
    "source", *TASK, "start", "frozen_gain", "frozen_low", "frozen_high", "tuned_gain",
    "tuned_low", "tuned_high", "index", "low", "high", "adjusted_low", "adjusted_high", "p_value",
    "p_holm", "n", "seeds", "frozen_accuracy", "tuned_accuracy", "random_frozen_accuracy",
    "random_tuned_accuracy", "verdict",
]  # fmt: skip
# Below 100 %: a source this near has little room above it, whatever is trained.
ROOM = 0.05


def masking(rows: pd.DataFrame, tested: pd.DataFrame, start: str = FULL) -> pd.DataFrame:
    """Return the rows of :meth:`TransferGrid.masking`.

    Parameters
    ----------
    rows : DataFrame
    tested : DataFrame
        The effects of these rows: what has no clear effect has no advantage to hide.
    start : str
    """
    import pandas as pd

    gains = paired_gains(rows)
    have = start_order(gains["start"])
    if missing := [one for one in (FROZEN, start) if one not in have]:
        raise KShotValueError(
            f"The masking index needs the starts {FROZEN!r} and {start!r}; this grid lacks "
            f"{', '.join(map(repr, missing))} of {', '.join(map(repr, have))}."
        )
    verdicts = tested[tested["start"] == FROZEN].set_index(["source", *TASK])["verdict"]
    found: list[dict[str, Any]] = []
    for _, task in gains.groupby(TASK, sort=False):
        sources = list(task.groupby(["source", *TASK], sort=False))
        made = [_index(key, part, start, len(sources)) for key, part in sources]
        for one, p in zip(made, holm([one["p_value"] for one in made]), strict=True):
            frozen = str(verdicts[tuple(one[name] for name in ("source", *TASK))])
            said = _verdict(one, sign_of(one, p, len(made)), frozen)
            found.append(one | {"p_holm": p, "verdict": said})
    return pd.DataFrame(found, columns=MASKING)


def little_room(row: Any) -> bool:
    """Return whether a source is within 5 points of 100 % frozen and tuned."""
    return min(row["frozen_accuracy"], row["tuned_accuracy"]) >= round(1 - ROOM, 12)


def _index(key: Any, part: pd.DataFrame, start: str, rivals: int) -> dict[str, Any]:
    """Return one index; an episode counts by its mean over seeds."""
    columns = ["gain", "accuracy", "reference"]
    wide = part.pivot_table(columns, "episode", "start").sort_index()
    frozen, tuned = (wide["gain", one].to_numpy() for one in (FROZEN, start))
    usual, wider = (paired_test(frozen, tuned, level=1 - LEVEL / n) for n in (1, rivals))
    found = dict(zip(["source", *TASK], key, strict=True)) | {
        "start": start,
        "index": usual.difference.mean,
        "low": usual.difference.low,
        "high": usual.difference.high,
        "adjusted_low": wider.difference.low,
        "adjusted_high": wider.difference.high,
        "p_value": usual.p_value,
        "n": usual.difference.n,
        "seeds": len(part["seed"].unique()),
    }
    for name, one, values in (("frozen", FROZEN, frozen), ("tuned", start, tuned)):
        gain = bootstrap_mean(values)
        found |= {f"{name}_gain": gain.mean, f"{name}_low": gain.low, f"{name}_high": gain.high}
        found[f"{name}_accuracy"] = round(float(wide["accuracy", one].mean()), 12)
        found[f"random_{name}_accuracy"] = round(float(wide["reference", one].mean()), 12)
    return found


def _verdict(row: dict[str, Any], sign: int | str, frozen: str) -> str:
    """Say what fine-tuning does to a gain: only what is clearly there can be hidden."""
    if isinstance(sign, str):
        return sign
    loss = row["frozen_gain"] < 0 and row["tuned_gain"] < 0
    if sign > 0:
        if frozen == HELPS:
            return "hides an advantage"
        return "enlarges the loss" if loss else "lowers the gain"
    if frozen == HARMS:
        return "hides a disadvantage"
    return "lessens the loss" if loss else "raises the gain"

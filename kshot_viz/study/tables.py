"""From rows to tables: choosing settings, the summary, the step-size curve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.errors import unknown_name
from kshot_viz.stats import bootstrap_mean, holm, paired_test
from kshot_viz.study.task import TASK

if TYPE_CHECKING:
    import pandas as pd

# What identifies a setting of a method; `options` is JSON.
SETTING = ["lr", "head_lr", "weight_decay", "options", "steps"]
# Of equally good settings the first in this order is taken.
ORDER = ["lr", "head_lr", "steps", "weight_decay", "options"]
CURVE_BY = [*TASK, "method", "step_size", "head_lr", "steps"]
CURVE = [*CURVE_BY, "accuracy", "low", "high", "n", "diverged"]
# The method the others are compared with, where it takes part.
PLAIN = "plain"


def choose(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the setting with the best mean validation accuracy of each task and method.

    Ties go to the smaller step sizes, the body's first, then to fewer steps.
    """
    by = [*TASK, "method", "step_size", *SETTING]
    means = frame.groupby(by, sort=False)["accuracy"].agg(["mean", "size"]).reset_index()
    means = means.rename(columns={"mean": "val_accuracy", "size": "n_val"})
    # Equal accuracies added up in another order differ in their last bits, and are a tie.
    ranked = means.assign(rank=means["val_accuracy"].round(12)).sort_values(
        ["rank", *ORDER], ascending=[False, *[True] * len(ORDER)], kind="stable"
    )
    best = ranked.drop_duplicates([*TASK, "method"]).drop(columns="rank")
    return best.sort_index().reset_index(drop=True)


def summary(frame: pd.DataFrame, settings: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Summarise the test rows; see :meth:`Comparison.summary`."""
    import pandas as pd

    methods = list(dict.fromkeys(settings["method"]))
    if reference not in methods and reference != PLAIN:
        raise unknown_name("reference", reference, methods)
    rows = frame[frame["chosen"] & (frame["pool"] == "test")]
    return pd.DataFrame(
        [row for _, task in rows.groupby(TASK) for row in _task_rows(task, settings, reference)]
    )


def curve(frame: pd.DataFrame, settings: pd.DataFrame, head_lr: float | None) -> pd.DataFrame:
    """Summarise the validation rows at the longest run; see :meth:`Comparison.curve`."""
    import pandas as pd

    rows = frame[frame["pool"] == "val"]
    rows = rows[rows["steps"] == rows["steps"].max()]
    chosen = settings[[*TASK, "method", "head_lr"]].rename(columns={"head_lr": "beside"})
    rows = rows.merge(chosen, on=[*TASK, "method"])
    beside = rows["beside"] if head_lr is None else head_lr
    body_moves = (rows["step_size"] == rows["lr"]).groupby(rows["method"]).transform("all")
    rows = rows[~body_moves | (rows["head_lr"] == beside)]
    groups = rows.groupby(CURVE_BY, sort=False)
    return pd.DataFrame([_point(key, part) for key, part in groups], columns=CURVE)


def _task_rows(
    task: pd.DataFrame, settings: pd.DataFrame, reference: str
) -> Iterator[dict[str, Any]]:
    wide = task.set_index(["episode", "method"])["accuracy"].unstack("method")  # noqa: PD010
    methods = list(dict.fromkeys(task["method"]))
    tests = {m: _paired(wide, m, reference) for m in methods}
    adjusted = dict(zip(methods, holm([tests[m]["p_value"] for m in methods]), strict=True))
    for method in methods:
        rows = task[task["method"] == method]
        accuracy = bootstrap_mean(rows["accuracy"].to_numpy())
        yield {
            **{name: rows[name].iloc[0] for name in TASK},
            "method": method,
            "accuracy": accuracy.mean,
            "low": accuracy.low,
            "high": accuracy.high,
            "n": accuracy.n,
            "step_size": float(rows["step_size"].iloc[0]),
            "head_lr": float(rows["head_lr"].iloc[0]),
            "steps": int(rows["steps"].iloc[0]),
            **tests[method],
            "p_holm": adjusted[method],
            "diverged": int((rows["status"] != "ok").sum()),
        }


def _paired(wide: pd.DataFrame, method: str, reference: str) -> dict[str, float]:
    nan = float("nan")
    if method == reference or reference not in wide:
        known = 0.0 if method == reference else nan
        return {"difference": known, "difference_low": nan, "difference_high": nan, "p_value": nan}
    both = wide[[method, reference]].dropna()
    test = paired_test(both[method].to_numpy(), both[reference].to_numpy())
    return {
        "difference": test.difference.mean,
        "difference_low": test.difference.low,
        "difference_high": test.difference.high,
        "p_value": test.p_value,
    }


def _point(key: Any, rows: pd.DataFrame) -> dict[str, Any]:
    accuracy = bootstrap_mean(rows["accuracy"].to_numpy())
    return {
        **dict(zip(CURVE_BY, key, strict=True)),
        "accuracy": accuracy.mean,
        "low": accuracy.low,
        "high": accuracy.high,
        "n": accuracy.n,
        "diverged": float(np.mean(rows["status"] != "ok")),
    }

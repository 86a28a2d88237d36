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

# What identifies a setting of a method: `setting` is the key of a candidate whatever its steps.
SETTING = ["setting", "steps"]
# Of equally good settings the first in this order is taken.
ORDER = ["lr", "head_lr", "steps"]
CURVE_BY = [*TASK, "method", "step_size", "head_lr", "steps"]
CURVE = [*CURVE_BY, "accuracy", "low", "high", "n", "diverged"]
ESTIMATE = [*TASK, "method", "value", "low", "high", "n", "missing", "p_value", "p_holm"]
# The method the others are compared with, where it takes part.
PLAIN = "plain"


def choose(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the setting with the best mean validation accuracy of each task and method.

    Ties go to the smaller step sizes, the body's first, then to fewer steps.
    """
    by = [*TASK, "method", "step_size", "lr", "head_lr", *SETTING]
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
    tasks = chosen_test_rows(frame).groupby(TASK)
    return pd.DataFrame([row for _, task in tasks for row in _task_rows(task, settings, reference)])


def chosen_test_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the test episodes, each method at its chosen setting."""
    return frame[frame["chosen"] & (frame["pool"] == "test")]


def estimates(rows: pd.DataFrame, column: str, reference: str | None = None) -> pd.DataFrame:
    """Summarise any column of test rows, task by task and method by method.

    Parameters
    ----------
    rows : DataFrame
        As :func:`chosen_test_rows` returns them, with a numeric ``column``.
    column : str
        NaN where a run has no value.
    reference : str, optional
        Estimate paired differences to this method on the same episodes, instead of means.

    Returns
    -------
    DataFrame
        The task, ``method, value, low, high, n, missing, p_value, p_holm``: the mean over ``n``
        episodes with its 95 % bootstrap interval; ``missing`` episodes have no value. ``p_value``
        is Wilcoxon's for pairs, ``p_holm`` adjusted over the rivals of one task.
    """
    import pandas as pd

    made = []
    for _, task in rows.groupby(TASK):
        wide = _wide(task, column)
        found = pd.DataFrame(
            [
                {"method": method, **_estimate(part[column], wide, str(method), reference)}
                for method, part in task.groupby("method", sort=False)
            ]
        )
        made.append(found.assign(p_holm=holm(found["p_value"].tolist()), **task[TASK].iloc[0]))
    return pd.concat(made, ignore_index=True)[ESTIMATE] if made else pd.DataFrame(columns=ESTIMATE)


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
    wide = _wide(task, "accuracy")
    methods = list(dict.fromkeys(task["method"]))
    tests = {m: _paired(wide, m, reference) for m in methods}
    adjusted = dict(zip(methods, holm([tests[m]["p_value"] for m in methods]), strict=True))
    for method in methods:
        rows = task[task["method"] == method]
        yield {
            **{name: rows[name].iloc[0] for name in TASK},
            "method": method,
            **mean_columns(rows),
            "step_size": float(rows["step_size"].iloc[0]),
            "head_lr": float(rows["head_lr"].iloc[0]),
            "steps": int(rows["steps"].iloc[0]),
            **tests[method],
            "p_holm": adjusted[method],
            "diverged": int((rows["status"] != "ok").sum()),
        }


def mean_columns(rows: pd.DataFrame) -> dict[str, Any]:
    """Return ``accuracy, low, high, n``: the mean of rows with its 95 % bootstrap interval."""
    mean = bootstrap_mean(rows["accuracy"].to_numpy())
    return {"accuracy": mean.mean, "low": mean.low, "high": mean.high, "n": mean.n}


def _paired(wide: pd.DataFrame, method: str, reference: str) -> dict[str, float]:
    nan = float("nan")
    if method == reference or reference not in wide:
        known = 0.0 if method == reference else nan
        return {"difference": known, "difference_low": nan, "difference_high": nan, "p_value": nan}
    found = _estimate(wide[method], wide, method, reference)
    return {
        "difference": found["value"],
        "difference_low": found["low"],
        "difference_high": found["high"],
        "p_value": found["p_value"],
    }


def _wide(task: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a column with a row per episode and a column per method."""
    return task.set_index(["episode", "method"])[column].unstack("method")  # noqa: PD010


def _estimate(
    values: pd.Series[float], wide: pd.DataFrame, method: str, reference: str | None
) -> dict[str, float]:
    """Estimate the mean of a method's values, or its mean difference to the reference."""
    nan = float("nan")
    test = None
    if reference is None:
        sample = values.dropna().to_numpy()
        mean = bootstrap_mean(sample) if len(sample) else None
    else:
        both = wide[list(dict.fromkeys([method, reference]))].dropna()
        sample = both[method].to_numpy()
        test = paired_test(sample, both[reference].to_numpy()) if len(sample) else None
        mean = test.difference if test else None
    low, value, high = (mean.low, mean.mean, mean.high) if mean else (nan, nan, nan)
    return {
        "value": value,
        "low": low,
        "high": high,
        "n": len(sample),
        "missing": len(wide) - len(sample),
        "p_value": test.p_value if test and method != reference else nan,
    }


def _point(key: Any, rows: pd.DataFrame) -> dict[str, Any]:
    diverged = float(np.mean(rows["status"] != "ok"))
    return dict(zip(CURVE_BY, key, strict=True)) | mean_columns(rows) | {"diverged": diverged}

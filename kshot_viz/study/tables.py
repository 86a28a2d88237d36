"""From rows to tables: choosing settings, the summary, the step-size curve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.stats import bootstrap_mean, holm, paired_test

if TYPE_CHECKING:
    import pandas as pd

TASK = ["way", "shot"]
SETTING = ["step_size", "steps"]
# Queries drawn this often on average make the episodes far from independent.
HEAVY_REUSE = 5.0


def choose(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the setting with the best mean validation accuracy of each way, shot and method.

    Ties go to the smaller step size, then to fewer steps.
    """
    by = [*TASK, "method", *SETTING, "lr", "head_lr"]
    means = frame.groupby(by, sort=False)["accuracy"].agg(["mean", "size"]).reset_index()
    means = means.rename(columns={"mean": "val_accuracy", "size": "n_val"})
    ranked = means.sort_values(
        ["val_accuracy", *SETTING], ascending=[False, True, True], kind="stable"
    )
    best = ranked.drop_duplicates([*TASK, "method"])
    return best.sort_index().reset_index(drop=True)


def summary(frame: pd.DataFrame, settings: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Summarise the test rows; see :meth:`Comparison.summary`."""
    import pandas as pd

    rows = frame[frame["chosen"] & (frame["pool"] == "test")]
    return pd.DataFrame(
        [row for _, task in rows.groupby(TASK) for row in _task_rows(task, settings, reference)]
    )


def curve(frame: pd.DataFrame) -> pd.DataFrame:
    """Summarise the validation rows at the longest run; see :meth:`Comparison.curve`."""
    import pandas as pd

    rows = frame[frame["pool"] == "val"]
    rows = rows[rows["steps"] == rows["steps"].max()]
    groups = rows.groupby([*TASK, "method", "step_size"], sort=False)
    return pd.DataFrame([_point(key, part) for key, part in groups])


def note(manifest: Mapping[str, Any]) -> str:
    """Say what the numbers stand on."""
    used = manifest["labels_used_for_tuning"]
    queries = " or ".join(map(str, manifest["n_query"]))
    parts = [
        f"{manifest['n_test']} test episodes, {queries} queries each, from "
        f"{manifest['distinct_images']} distinct images of {manifest['data']['name']!r}.",
        f"Tuned on {manifest['n_val']} {manifest['tune']} episodes, using {used} target labels "
        f"beyond the k."
        if manifest["tune"]
        else "Nothing was tuned.",
    ]
    if manifest["query_reuse"] > HEAVY_REUSE:
        parts.append(
            f"Each query image is used {manifest['query_reuse']:.1f} times on average, so the "
            f"episodes are not independent and intervals are too narrow."
        )
    return " ".join(parts)


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
            "way": int(rows["way"].iloc[0]),
            "shot": int(rows["shot"].iloc[0]),
            "method": method,
            "accuracy": accuracy.mean,
            "low": accuracy.low,
            "high": accuracy.high,
            "n": accuracy.n,
            "step_size": float(rows["step_size"].iloc[0]),
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
    way, shot, method, step_size = key
    accuracy = bootstrap_mean(rows["accuracy"].to_numpy())
    return {
        "way": way,
        "shot": shot,
        "method": method,
        "step_size": step_size,
        "steps": int(rows["steps"].iloc[0]),
        "accuracy": accuracy.mean,
        "low": accuracy.low,
        "high": accuracy.high,
        "n": accuracy.n,
        "diverged": float(np.mean(rows["status"] != "ok")),
    }

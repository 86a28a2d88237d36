"""From rows to tables: the summary, paired differences, the step-size curve."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.errors import unknown_name
from kshot_viz.stats import bootstrap_mean, holm, paired_test
from kshot_viz.study.task import TASK

if TYPE_CHECKING:
    import pandas as pd

CURVE_BY = [*TASK, "method", "step_size", "head_lr", "steps"]
CURVE = [*CURVE_BY, "accuracy", "low", "high", "n", "diverged"]
ESTIMATE = [*TASK, "method", "value", "low", "high", "n", "missing", "p_value", "p_holm"]
# The method the others are compared with, where it takes part.
PLAIN = "plain"


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
        wide = by_method(task, column)
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

    rows = frame[(frame["pool"] == "val") & (frame["steps"] > 0)]
    rows = rows[rows["steps"] == rows["steps"].max()]
    given = {} if head_lr is None else {"head_lr": head_lr}
    wanted = settings["tuned"].map(lambda text: _beside(text, given))
    rows = rows.merge(settings[[*TASK, "method"]].assign(wanted=wanted), on=[*TASK, "method"])
    rows = rows[rows["tuned"].map(_beside) == rows["wanted"]]
    groups = rows.groupby(CURVE_BY, sort=False)
    return pd.DataFrame([_point(key, part) for key, part in groups], columns=CURVE)


def _beside(tuned: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the tuned settings but the drawn one, with other values where those are given."""
    others = list(json.loads(tuned).items())[1:]
    return {name: (given or {}).get(name, value) for name, value in others}


def _task_rows(
    task: pd.DataFrame, settings: pd.DataFrame, reference: str
) -> Iterator[dict[str, Any]]:
    wide = by_method(task, "accuracy")
    methods = list(dict.fromkeys(task["method"]))
    rivals = len(set(methods) - {reference})
    tests = {m: _paired(wide, m, reference, rivals) for m in methods}
    adjusted = dict(zip(methods, holm([tests[m]["p_value"] for m in methods]), strict=True))
    for method in methods:
        rows = task[task["method"] == method]
        yield {
            **{name: rows[name].iloc[0] for name in TASK},
            "method": method,
            **mean_columns(rows),
            "step_size": float(rows["step_size"].iloc[0]),
            "tuned": rows["tuned"].iloc[0],
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


def _paired(wide: pd.DataFrame, method: str, reference: str, rivals: int) -> dict[str, float]:
    names = ["difference", "difference_low", "difference_high", "p_value"]
    names += ["adjusted_low", "adjusted_high"]
    if method == reference or reference not in wide:
        known = {"difference": 0.0} if method == reference else {}
        return dict.fromkeys(names, float("nan")) | known
    found = _estimate(wide[method], wide, method, reference)
    wider = _estimate(wide[method], wide, method, reference, level=1 - 0.05 / rivals)
    values = [found[name] for name in ("value", "low", "high", "p_value")]
    return dict(zip(names, [*values, wider["low"], wider["high"]], strict=True))


def by_method(task: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a column with a row per episode and a column per method."""
    return task.set_index(["episode", "method"])[column].unstack("method")  # noqa: PD010


def paired(first: pd.Series[float], second: pd.Series[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of the episodes that both have, in the order of the episodes' names.

    A bootstrap interval depends on the order of its values: every difference of two methods is
    paired here, so that one difference has one interval.

    Parameters
    ----------
    first, second : Series
        A value an episode, indexed by its name; NaN where there is none.
    """
    import pandas as pd

    both = pd.concat([first, second], axis=1, join="inner").dropna().sort_index().to_numpy()
    return both[:, 0], both[:, 1]


def _estimate(
    values: pd.Series[float],
    wide: pd.DataFrame,
    method: str,
    reference: str | None,
    level: float = 0.95,
) -> dict[str, float]:
    """Estimate the mean of a method's values, or its mean difference to the reference."""
    nan = float("nan")
    test = None
    if reference is None:
        sample = values.dropna().to_numpy()
        mean = bootstrap_mean(sample) if len(sample) else None
    else:
        sample, other = paired(wide[method], wide[reference])
        test = paired_test(sample, other, level=level) if len(sample) else None
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


def joined(*parts: pd.DataFrame | None) -> pd.DataFrame:
    """Return the rows of all parts that have any."""
    import pandas as pd

    return pd.concat([part for part in parts if part is not None and len(part)], ignore_index=True)

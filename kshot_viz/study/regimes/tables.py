"""From the rows of a study to regret, ranks and wins."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import unknown_name
from kshot_viz.stats import Interval, bootstrap_by_group, bootstrap_mean, paired_differences
from kshot_viz.study.regimes.choices import CHOSEN
from kshot_viz.study.settings.choice import METHOD, SETTING
from kshot_viz.study.tables import by_method, paired
from kshot_viz.study.task import TASK, Task

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.study.comparison import Comparison
    from kshot_viz.study.regimes.study import Study

BY = ["method", "regime", "rule"]
_RUN = ["accuracy", "status", "seconds"]
# Why a regime may choose nothing for a method that can be used.
WHY_NOT = {
    "blind": "there is no task on other data",
    "own": "one image a class leaves nothing out to choose on",
}
_ELSEWHERE = "it cannot be used on the tasks on other data"
_NOTHING = {"episode": "", "steps": 0, "tuned": "{}", "labels": 0}
FRAME = [*TASK, *BY, "episode", *_RUN, "steps", "tuned", "labels"]


def episode_rows(study: Study) -> pd.DataFrame:
    """Return the rows of :attr:`Study.frame`."""
    import pandas as pd

    parts = [
        part
        for one in study.comparisons.values()
        for part in (_rows(one.frame, study.choices), _lacking(one, study))
    ]
    return pd.concat([one for one in parts if len(one)], ignore_index=True)[FRAME]


def _rows(frame: pd.DataFrame, choices: pd.DataFrame) -> pd.DataFrame:
    """Return the test rows of what was chosen, once for each regime and rule that chose it."""
    test = frame[frame["pool"] == "test"][[*METHOD, *SETTING, "episode", *_RUN]]
    found = choices[CHOSEN].rename(columns={"episode": "only"}).merge(test, on=[*METHOD, *SETTING])
    return found[(found["only"] == "") | (found["only"] == found["episode"])]


def _lacking(comparison: Comparison, study: Study) -> pd.DataFrame:
    """Return a row for each method, regime and rule of each task that chose nothing."""
    import pandas as pd

    unfit = comparison.manifest["not_applicable"]
    chosen = set(study.choices[[*TASK, *BY]].itertuples(index=False, name=None))
    some = set(study.choices[[*TASK, "regime"]].itertuples(index=False, name=None))
    tasks = comparison.settings[TASK].drop_duplicates().itertuples(index=False, name=None)
    methods = [*comparison.manifest["methods"], *unfit]
    found = [
        dict(zip([*TASK, *BY], (*task, *by), strict=True))
        for task in tasks
        for by in product(methods, study.manifest["regimes"], study.manifest["rules"])
        if (*task, *by) not in chosen
    ]
    for one in found:
        others = (*(one[name] for name in TASK), one["regime"]) in some
        why = _ELSEWHERE if others and one["regime"] == "blind" else WHY_NOT.get(one["regime"])
        one["status"] = f"not applicable: {unfit.get(one['method'], why)}"
    return pd.DataFrame(found, columns=FRAME).fillna(_NOTHING)


def ran(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of methods that apply."""
    return frame[frame["accuracy"].notna()]


def best_in_hindsight(study: Study) -> pd.DataFrame:
    """Return the rows of :meth:`Study.best`."""
    import pandas as pd

    tested = (one.frame[one.frame["pool"] == "test"] for one in study.comparisons.values())
    return pd.concat(
        [_best(task) for frame in tested for _, task in frame.groupby(TASK, sort=False)],
        ignore_index=True,
    )


def _best(tested: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the setting with the best mean over all episodes of a task."""
    wide = tested.pivot_table("accuracy", "episode", ["method", *SETTING], sort=False)
    # A setting that was chosen for one episode ran on that one only.
    whole = wide.dropna(axis=1)
    first = whole.columns[int(whole.mean().to_numpy().argmax())]
    same = (tested[["method", *SETTING]] == list(first)).all(axis=1)
    return tested[same][[*TASK, "episode", "method", "tuned", "steps", "accuracy"]]


def regret_by_task(study: Study) -> pd.DataFrame:
    """Return the rows of :meth:`Study.regrets`."""
    import pandas as pd

    best = {
        task: rows.set_index("episode")["accuracy"]
        for task, rows in best_in_hindsight(study).groupby(TASK)
    }
    made = []
    for key, rows in ran(study.frame).groupby([*TASK, *BY], sort=False):
        found = dict(zip([*TASK, *BY], key, strict=True))
        on_task = best[tuple(found[name] for name in TASK)]
        most = float(on_task.loc[rows["episode"]].mean())
        mean = rows["accuracy"].mean()
        made.append(
            {
                **found,
                "accuracy": mean,
                "best": most,
                "regret": round(100 * (most - mean), 10),
                "n": len(rows),
                "diverged": int((rows["status"] != "ok").sum()),
                "seconds": rows["seconds"].mean(),
            }
        )
    return pd.DataFrame(made)


def regret_table(regrets: pd.DataFrame, sets: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of :meth:`Study.regret`; ``sets`` names the data set of each data."""
    import pandas as pd

    made = []
    for key, rows in regrets.groupby(BY, sort=False):
        mean = bootstrap_by_group(rows["regret"].to_numpy(), rows["data"].map(sets).tolist())
        worst = rows.iloc[int(rows["regret"].to_numpy().argmax())]
        made.append(
            {
                **dict(zip(BY, key, strict=True)),
                "mean": mean.mean,
                "low": mean.low,
                "high": mean.high,
                "worst": worst["regret"],
                "worst_task": task_text(worst),
                "tasks": len(rows),
                "diverged": rows["diverged"].sum() / rows["n"].sum(),
                "seconds": rows["seconds"].mean(),
            }
        )
    return pd.DataFrame(made)


def task_text(row: Any) -> str:
    """Return ``"digits, glyphnet, 10-way 1-shot"``."""
    return f"{row['data']}, {row['backbone']}, {row['way']}-way {row['shot']}-shot"


def wins_table(frame: pd.DataFrame, reference: str, sets: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of :meth:`Study.wins`; ``sets`` names the data set of each data."""
    import pandas as pd

    rows = ran(frame)
    methods = list(dict.fromkeys(rows["method"]))
    if reference not in methods:
        raise unknown_name("reference", reference, methods)
    made = []
    for key, part in rows.groupby(["regime", "rule"], sort=False):
        by_task = {
            Task.of(dict(zip(TASK, task, strict=True))): by_method(one, "accuracy")
            for task, one in part.groupby(TASK)
        }
        for method in (name for name in methods if name != reference):
            if tests := _differences(by_task, method, reference):
                named = dict(zip(("regime", "rule"), key, strict=True))
                made.append({"method": method, **named, **_counts(tests, sets)})
    return pd.DataFrame(made)


def _differences(
    by_task: Mapping[Task, pd.DataFrame], method: str, reference: str
) -> dict[Task, Interval]:
    """Return the difference in every task in which both took part."""
    found = {task: paired_difference(one, method, reference) for task, one in by_task.items()}
    return {task: one for task, one in found.items() if one is not None}


def paired_difference(task: pd.DataFrame, method: str, reference: str) -> Interval | None:
    """Return the mean difference of two methods in one task; None where one did not take part.

    Parameters
    ----------
    task : DataFrame
        The accuracies of one task, regime and rule, a row per episode and a column per method.
    method, reference : str
    """
    if not {method, reference} <= set(task.columns):
        return None
    return bootstrap_mean(paired_differences(*paired(task[method], task[reference])))


def _counts(tests: Mapping[Task, Interval], sets: Mapping[str, str]) -> dict[str, Any]:
    found = list(tests.values())
    wins, losses = (sum(one.low > 0 for one in found), sum(one.high < 0 for one in found))
    mean = bootstrap_by_group([100 * one.mean for one in found], [sets[one.data] for one in tests])
    return {
        "wins": wins,
        "ties": len(found) - wins - losses,
        "losses": losses,
        "difference": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "episodes": min(one.n for one in found),
    }

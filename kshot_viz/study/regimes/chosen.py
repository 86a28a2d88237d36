"""A comparison of a study, at the settings that one of its regimes chose."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.footer import OTHER_TASKS
from kshot_viz.study.regimes.choices import Few, few_images
from kshot_viz.study.regimes.tables import WHY_NOT
from kshot_viz.study.settings.choice import METHOD, SETTING
from kshot_viz.study.task import TASK, Task

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.study.regimes.study import Study

# It chooses anew in each episode, so it has no setting for a whole task.
BY_EPISODE = "own"


def comparison_at(study: Study, task: str, regime: str, rule: str) -> Comparison:
    """Return the comparison of :meth:`Study.comparison`."""
    task = task or next(iter(study.comparisons))
    for argument, given, allowed in (
        ("task", task, study.comparisons),
        ("regime", regime, study.manifest["regimes"]),
        ("rule", rule, study.manifest["rules"]),
    ):
        if given not in allowed:
            raise unknown_name(argument, given, allowed)
    if regime == BY_EPISODE:
        raise KShotValueError(
            f"`regime` {regime!r} chooses settings anew in each episode, so a task has no single "
            f"setting to show; its accuracies are in study.frame and study.regret()."
        )
    whole = study.comparisons[task]
    settings = _settings(study, whole, regime, rule)
    if not len(settings):
        raise KShotValueError(
            f"`regime` {regime!r} chose nothing in {task!r}: "
            f"{WHY_NOT.get(regime, 'no method can be used')}."
        )
    if settings["n_val"].isna().any():
        raise KShotValueError(
            "This study was saved without its settings' step sizes, by an older version. The same "
            "call of kv.study with its folder as `out` adds them, and runs nothing again."
        )
    return replace(
        whole,
        frame=whole.frame.assign(chosen=_among(whole.frame, settings)),
        settings=settings,
        manifest={**whole.manifest, **_about(study, whole, settings, regime, rule)},
    )


def whole_task_regimes(study: Study, task: str) -> list[str]:
    """Return the regimes that chose settings for all episodes of a task."""
    found = _of(study.choices, study.comparisons[task])
    return [one for one in study.manifest["regimes"] if one in set(found["regime"])]


def _of(choices: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """Return what was chosen for all episodes of a comparison's tasks."""
    tasks = comparison.settings[TASK].drop_duplicates()
    return choices[choices["episode"] == ""].merge(tasks, on=TASK)


def _settings(study: Study, whole: Comparison, regime: str, rule: str) -> pd.DataFrame:
    """Return the settings, with the columns of :attr:`Comparison.settings`."""
    found = _of(study.choices, whole)
    mine = found[(found["regime"] == regime) & (found["rule"] == rule)]
    if regime != "many":
        # Whether a value is at an edge is told from all tuning episodes.
        return mine.assign(edge="").reset_index(drop=True)[[*whole.settings]]
    known = whole.settings[[*METHOD, *SETTING, "edge"]]
    found = mine.merge(known, on=[*METHOD, *SETTING], how="left")
    return found.assign(edge=found["edge"].fillna(""))[[*whole.settings]]


def _among(frame: pd.DataFrame, settings: pd.DataFrame) -> Any:
    """Return which rows are of these settings."""
    import pandas as pd

    by = [*METHOD, *SETTING]
    return pd.MultiIndex.from_frame(frame[by]).isin(pd.MultiIndex.from_frame(settings[by]))


def _about(
    study: Study, whole: Comparison, settings: pd.DataFrame, regime: str, rule: str
) -> dict[str, Any]:
    """Say what the settings were chosen on."""
    chosen = set(settings["method"])
    methods = whole.manifest["methods"]
    about: dict[str, Any] = {
        "regime": regime,
        "choose": rule,
        "methods": [one for one in methods if one in chosen],
    }
    if lacking := [one for one in methods if one not in chosen]:
        about["not_chosen"] = lacking
    if regime == "blind":
        most = int(settings["n_val"].max())
        return about | {"tune": OTHER_TASKS, "labels_used_for_tuning": 0, "n_val": most}
    if regime == "few":
        size = Few(**study.manifest["few"])
        return about | {
            "labels_used_for_tuning": _few_labels(whole, settings, size),
            "n_val": min(size.episodes, int(whole.manifest["n_val"])),
            "tuning_queries": size.queries,
        }
    return about


def _few_labels(whole: Comparison, settings: pd.DataFrame, size: Few) -> int:
    """Return how many labelled images of the target a few small episodes of each task have."""
    tuning = [one for one in whole.episodes.values() if one.pool == "val"]
    tasks = dict.fromkeys(map(Task.of, settings[TASK].to_dict("records")))
    return len(set[int]().union(*(few_images(one.episodes(tuning), size) for one in tasks)))

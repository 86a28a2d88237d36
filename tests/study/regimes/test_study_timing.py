"""The time of a study: tuning once, folds on top, and tests for every different choice."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kshot_viz.study.regimes.study_timing import study_seconds, study_time_text
from kshot_viz.study.task import Task
from kshot_viz.study.timing import Loading, Sizes, Timing


def plan(*shots):
    tasks = [Task("a", "net", 3, shot) for shot in shots]
    seconds = {task: {"plain": 2.0} for task in tasks}
    timing = Timing(seconds, {"plain": (10, 10)}, 1, Loading([0.0] * 7, [0.0] * 21))
    return SimpleNamespace(tasks=tasks, sizes=Sizes(6, 20), measure=lambda: timing)


def test_tests_are_run_for_one_choice_or_for_all():
    # 10 settings on 6 episodes and one to four on 20, at 2 seconds.
    assert study_seconds([plan(1)], choices=4, own_episodes=0) == (120 + 40, 120 + 4 * 40)


def test_folds_run_every_setting():
    # Two shots make two folds of each of three episodes; one shot makes none.
    least, _ = study_seconds([plan(1, 2)], choices=1, own_episodes=3)
    assert least == pytest.approx(2 * (120 + 40) + 2 * 3 * 10 * 2.0)


def test_the_time_is_told():
    assert study_time_text(60, 62).startswith("This takes about 60 seconds to 62 seconds,")
    assert study_time_text(7200, 7201).startswith("This takes about 2.0 hours, by")

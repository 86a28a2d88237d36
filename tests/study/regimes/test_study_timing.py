"""The time of a study: tuning once, folds on top, and tests for every different choice."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from kshot_viz.study.regimes.choices import Few
from kshot_viz.study.regimes.every_choice import Asked
from kshot_viz.study.regimes.study_timing import measure_study, study_time_text, timed
from kshot_viz.study.task import Task
from kshot_viz.study.timing import Loading, Sizes, Timing, budget_text


def plan(*shots, tests=20):
    tasks = [Task("a", "net", 3, shot) for shot in shots]
    seconds = {task: {"plain": 2.0} for task in tasks}
    timing = Timing(seconds, {"plain": (10, 5)}, 1, Loading([0.0] * 7, [0.0] * (tests + 1)))
    found = SimpleNamespace(tasks=tasks, sizes=Sizes(6, tests), measure=lambda: timing)
    found.within = lambda sizes: SimpleNamespace(**vars(found) | {"sizes": sizes})
    return found


def asked(*regimes, own=0, few=3):
    return Asked(regimes, ("guarded",), Few(episodes=few), own, 6, 0)


def test_tests_are_run_for_one_choice_or_for_all():
    # 10 settings on 6 episodes and one to two on 20, at 2 seconds.
    timing = measure_study([plan(1)], asked("few", "many"))
    assert timing.seconds([Sizes(6, 20)]) == (120 + 40, 120 + 2 * 40)


def test_folds_run_every_setting():
    # Two shots make two folds of each of three episodes; one shot makes none.
    low, _ = measure_study([plan(1, 2)], asked("own", own=3)).seconds([Sizes(6, 20)])
    assert low == pytest.approx(2 * (120 + 40) + 2 * 3 * 10 * 2.0)
    # Without the regime there are none.
    low, _ = measure_study([plan(1, 2)], asked("many", own=3)).seconds([Sizes(6, 20)])
    assert low == pytest.approx(2 * (120 + 40))


@pytest.mark.parametrize("minutes", [0.1, 1.6, 2.5, 4, 5, 9])
def test_a_study_takes_as_much_as_fits_into_a_time(minutes):
    plans, regimes = [plan(1), plan(5)], asked("few", "many")
    made, fitted, about = timed(plans, regimes, minutes, tell=False)
    sizes = [one.sizes for one in made]
    assert sizes[0] == sizes[1]
    assert fitted.n_val == sizes[0].tuning >= regimes.few.episodes
    _, seconds = measure_study(plans, regimes).seconds(sizes)
    assert about["estimated_seconds"] == round(seconds, 1)
    assert about["fits_budget"] == (seconds <= 60 * minutes)
    assert bool(about["left_out"]) == (sizes[0] != Sizes(6, 20)) == (minutes < 2 * 200 / 60)
    assert f"{minutes:g} minutes" in budget_text(about) or sizes[0] == Sizes(6, 20)
    if not about["fits_budget"]:
        assert "the least" in budget_text(about)


def test_folds_are_left_out_with_test_episodes():
    _, fitted, about = timed([plan(5)], asked("own", "many", own=10), 5, tell=False)
    tests = int(about["left_out"].split(" of 20 test")[0].split(", ")[-1])
    assert fitted.own_episodes == -(-tests // 2) < 10
    assert f"folds of {fitted.own_episodes} test episodes" in budget_text(about)


def test_of_tasks_of_several_sizes_nothing_is_left_out_unasked():
    small, large = plan(5, tests=10), plan(5, tests=50)
    made, fitted, about = timed([small, large], asked("own", own=10), 1000, tell=False)
    assert (fitted.own_episodes, about["left_out"]) == (10, "")
    assert [one.sizes.test for one in made] == [10, 50]


def test_a_task_of_few_episodes_keeps_them_and_the_others_do_not():
    small, large = plan(5, tests=10), plan(5, tests=50)
    made, _, about = timed([small, large], asked("many"), 5, tell=False)
    taken = made[1].sizes.test
    assert taken < 50
    assert f"{taken} of 50 test episodes" in about["left_out"]


def test_few_tuning_episodes_leave_room_for_a_budget():
    two = replace(asked("few", few=3), n_val=2)
    tuned_twice = plan(1)
    tuned_twice.sizes = Sizes(2, 20)
    made, _, about = timed([tuned_twice], two, 0.5, tell=False)
    assert made[0].sizes.test < 20
    assert about["left_out"]


def test_nothing_is_measured_where_nobody_asked():
    plans = [SimpleNamespace()]
    assert timed(plans, asked("many"), None, tell=False) == (plans, asked("many"), {})
    assert budget_text({}) == ""


def test_the_time_is_told():
    assert study_time_text(60, 62).startswith("This takes about 60 seconds to 62 seconds,")
    assert study_time_text(7200, 7201).startswith("This takes about 2.0 hours, by")
    assert "2.0 hours, less what is there" in study_time_text(7200, 7201, begun=True)
    assert "Taken to fit: half (the least; about 2.0 hours)." in study_time_text(
        60, 7200, omitted="half", fits=False
    )

"""A comparison of a study has the settings of one regime and rule, and says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hand_study import SIZES, hand_study

from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.study.regimes.choices import Few, few_images
from kshot_viz.study.tables import chosen_test_rows


@pytest.fixture(scope="module")
def found():
    return hand_study()


@pytest.mark.parametrize("regime", ["blind", "few", "many"])
@pytest.mark.parametrize("task", ["a net", "b net"])
def test_its_settings_are_those_of_the_regime(found, task, regime):
    one, whole = found.comparison(task, regime=regime), found.comparisons[task]
    assert [*one.settings] == [*whole.settings]
    assert set(one.settings["lr"]) == set(one.settings["step_size"]) == {SIZES[regime]}
    assert set(one.settings["data"]) == {task[0]}
    chosen = chosen_test_rows(one.frame)
    assert set(chosen["lr"]) == {SIZES[regime]}
    assert len(chosen) == 3 * len(one.settings)
    # Rows of study.frame and of the comparison are the same runs.
    rows = found.frame.query("regime == @regime and rule == 'guarded' and data == @task[0]")
    by = ["shot", "method", "episode"]
    mine = chosen.set_index(by)["accuracy"].sort_index()
    assert np.array_equal(mine, rows.dropna().set_index(by)["accuracy"].sort_index())
    assert whole.frame["chosen"].sum() == (whole.frame["lr"] == 0.001).sum()


def test_the_first_task_many_labels_and_the_guarded_rule_come_first(found):
    one = found.comparison()
    assert set(one.settings["data"]) == {"a"}
    assert (one.manifest["regime"], one.manifest["choose"]) == ("many", "guarded")
    assert one.frame["chosen"].equals(found.comparisons["a net"].frame["chosen"])
    # What lies at an edge of the grid is known of all tuning episodes only.
    assert set(one.settings["edge"]) == {"lr smallest"}
    assert set(found.comparison(regime="few").settings["edge"]) == {""}


def test_the_text_under_its_tables_says_what_settings_were_chosen_on(found):
    said = {name: found.comparison(regime=name).note for name in ("blind", "few", "many")}
    assert "chosen on the tuning episodes of tasks on other data, at most 1 for" in said["blind"]
    assert "No target label beyond the k shots was used." in said["blind"]
    assert "chosen on 1 tuning episode a task with at most 1 query image a class" in said["few"]
    # 3 and 15 support images, which may be queries of each other's episode, and 3 queries each.
    tuning = [one for one in found.comparisons["a net"].episodes.values() if one.pool == "val"]
    used = set().union(*(few_images([one], Few(1, 1)) for one in tuning))
    assert f"used {len(used)} labelled target images" in said["few"]
    assert "chosen on 2 tuning episodes a task, drawn from images apart" in said["many"]
    assert "used 12 labelled target images" in said["many"]
    assert "The setting with the best mean" in found.comparison(rule="best").note


def test_the_other_rule_is_asked_where_settings_were_chosen_on_these_rows(found):
    for regime in ("blind", "few", "many"):
        variants = set(found.comparison(regime=regime).robustness()["variant"])
        assert ("other rule" in variants) == (regime == "many")
        assert {"chosen", "step size"} <= variants


def test_a_method_without_a_choice_is_left_out_and_named(found):
    choices = found.choices[found.choices["method"] != "grouped"]
    one = replace(found, choices=choices).comparison(regime="blind")
    assert set(one.settings["method"]) == {"plain", "head_only"} == set(one.manifest["methods"])
    assert "Left out, since no setting could be chosen: grouped." in one.note
    with pytest.raises(KShotValueError, match="chose nothing in 'b net': there is no task on"):
        replace(found, choices=choices[choices["data"] == "a"]).comparison("b net", regime="blind")


def test_a_regime_that_chooses_in_each_episode_has_no_setting_to_show(found):
    with pytest.raises(KShotValueError, match="anew in each episode"):
        found.comparison(regime="own")


@pytest.mark.parametrize("wrong", [{"task": "c net"}, {"regime": "most"}, {"rule": "worst"}])
def test_unknown_names_are_refused(found, wrong):
    with pytest.raises(KShotKeyError, match=f"`{next(iter(wrong))}` must be one of"):
        found.comparison(**wrong)
    with pytest.raises(KShotKeyError, match="must be one of 'many'; not 'few'"):
        hand_study(regimes=["many"]).comparison(regime="few")


def test_a_study_saved_without_step_sizes_says_how_to_get_them(found):
    older = found.choices.assign(n_val=float("nan"))
    with pytest.raises(KShotValueError, match=r"same call of kv\.study"):
        replace(found, choices=older).comparison()

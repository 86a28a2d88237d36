"""Which setting is taken from the accuracies on the tuning episodes."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from tuning_rows import row, tuned

from kshot_viz.errors import KShotKeyError
from kshot_viz.study.settings.choice import both_rules, choose, collapsed, standing

# ---- the best mean -----------------------------------------------------------------------------


def test_the_best_mean_is_chosen():
    rows = [
        *(row(accuracy=a, lr=0.01) for a in (0.6, 0.6)),
        *(row(accuracy=a, lr=0.1, step_size=0.1) for a in (0.9, 0.5)),
    ]
    best = choose(pd.DataFrame(rows), "best").iloc[0]
    assert (best.lr, best.val_accuracy, best.n_val) == (0.1, pytest.approx(0.7), 2)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"lr": 0.1, "head_lr": 1.0, "steps": 8}, {"lr": 0.01, "head_lr": 1.0, "steps": 8}),
        ({"lr": 0.1, "head_lr": 1.0, "steps": 2}, {"lr": 0.1, "head_lr": 0.1, "steps": 8}),
        ({"lr": 0.1, "head_lr": 1.0, "steps": 8}, {"lr": 0.1, "head_lr": 1.0, "steps": 2}),
    ],
)
def test_ties_go_to_small_step_sizes_then_to_few_steps(first, second):
    for order in ((first, second), (second, first)):
        best = choose(pd.DataFrame([row(**one) for one in order]), "best").iloc[0]
        assert {name: best[name] for name in second} == second


def test_sums_in_another_order_are_still_a_tie():
    parts = (0.1, 0.2, 0.3)
    orders = [np.mean(order) for order in itertools.permutations(parts)]
    assert len(set(orders)) > 1
    for order in itertools.permutations(parts):
        rows = [
            *(row(accuracy=a, lr=0.01) for a in parts),
            *(row(accuracy=a, lr=0.1, step_size=0.1) for a in order),
        ]
        assert choose(pd.DataFrame(rows), "best").iloc[0].lr == 0.01


def test_every_method_and_shot_chooses_alone_and_keeps_its_place():
    rows = [
        row("b", 0.9, lr=0.1),
        row("b", 0.4, lr=0.2),
        row("a", 0.3, lr=0.1),
        row("a", 0.4, lr=0.2),
        row("b", 0.1, lr=0.1, shot=5),
        row("b", 0.2, lr=0.2, shot=5),
    ]
    best = choose(pd.DataFrame(rows), "best")
    assert list(zip(best.method, best["shot"], best.lr, strict=True)) == [
        ("b", 1, 0.1),
        ("a", 1, 0.2),
        ("b", 5, 0.2),
    ]


# ---- the guarded rule --------------------------------------------------------------------------


def guarded(*settings):
    return choose(pd.DataFrame([one for rows in settings for one in rows])).iloc[0]


def test_the_smallest_step_size_within_one_standard_error_is_taken():
    best = tuned([0.7, 0.6, 0.8], lr=0.1)
    # The differences are 0.1, -0.1 and 0.05: a mean of 0.017 with a standard error of 0.06.
    near = tuned([0.6, 0.7, 0.75], lr=0.01)
    far = tuned([0.5, 0.5, 0.6], lr=0.001)
    found = guarded(best, near, far)
    assert found.lr == 0.01
    assert found.margin == pytest.approx(0.05 / -3)
    # Behind by the same amount in every episode: that is no chance.
    assert guarded(best, tuned([0.69, 0.59, 0.79], lr=0.01)).lr == 0.1


def test_a_setting_that_collapsed_in_an_episode_is_not_taken():
    brink, near = tuned([0.9, 0.9, 0.34], lr=1.0), tuned([0.6, 0.6, 0.7], lr=0.1)
    safe = tuned([0.6, 0.6, 0.7], lr=0.01)
    found = guarded(brink, near, safe)
    assert (found.lr, found.collapsed) == (0.01, 0)
    assert choose(pd.DataFrame([*brink, *near, *safe]), "best").iloc[0].lr == 1.0


def test_nor_one_whose_neighbouring_number_of_steps_collapsed():
    short, long = tuned([0.9, 0.9], lr=0.1, steps=4), tuned([0.9, 0.33], lr=0.1, steps=8)
    far = tuned([0.8, 0.8], lr=0.1, steps=2)
    between = [*tuned([0.5, 0.5], steps=4), *tuned([0.5, 0.5], steps=8)]
    safe = [*tuned([0.5, 0.5], lr=0.001, steps=4), *tuned([0.6, 0.6], lr=0.001, steps=8)]
    assert guarded(short, long, between, safe).lr == 0.001
    found = guarded(far, short, long, between, safe)
    assert (found.lr, found.steps) == (0.1, 2)


def test_nor_one_whose_next_larger_step_size_collapsed():
    brink, beyond = tuned([0.9, 0.9], lr=0.1), tuned([0.9, 0.33], lr=1.0)
    assert guarded(tuned([0.6, 0.6], lr=0.01), brink, beyond).lr == 0.01
    # Also where it was stopped in the episode in which it did.
    assert guarded(tuned([0.6, 0.6], lr=0.01), brink, tuned([0.33], lr=1.0)).lr == 0.01


def test_where_all_collapsed_the_one_that_did_least_often_is_taken():
    often = tuned([0.9, 0.33, 0.33], lr=0.01)
    other = tuned([0.33, 0.33, 0.9], lr=0.1)
    once = tuned([0.6, 0.9, 0.33], lr=1.0)
    found = guarded(often, other, once)
    assert (found.lr, found.collapsed) == (1.0, 1)


def test_settings_that_were_stopped_early_are_not_compared():
    stopped = tuned([0.99, 0.99], lr=0.001)
    assert guarded(stopped, tuned([0.5, 0.6, 0.7], lr=0.1)).lr == 0.1


def test_one_tuning_episode_has_no_standard_error():
    assert guarded(tuned([0.6], lr=0.01), tuned([0.7], lr=0.1)).lr == 0.1


def test_both_rules_are_told():
    settings = {1.0: [0.9, 0.9, 0.34], 0.1: [0.6, 0.6, 0.7], 0.01: [0.6, 0.6, 0.7]}
    rows = pd.DataFrame([one for lr, each in settings.items() for one in tuned(each, lr=lr)])
    found = both_rules(rows)
    assert found.rule.tolist() == ["guarded", "best"]
    assert found.lr.tolist() == [0.01, 1.0]
    assert len(both_rules(rows[:0])) == 0
    with pytest.raises(KShotKeyError, match="`choose` must be one of 'guarded', 'best'"):
        choose(rows, "first")


# ---- collapse ----------------------------------------------------------------------------------


def test_a_run_at_chance_collapsed_where_another_is_clearly_better():
    rows = pd.DataFrame([row(accuracy=a) for a in (10 / 30, 14 / 30, 15 / 30, 0.9)])
    # 30 queries of 3 classes: guessing reaches 14 right ones in one case of twenty.
    assert collapsed(rows).tolist() == [True, True, False, False]


def test_in_an_episode_where_nothing_works_nothing_collapsed():
    assert not collapsed(pd.DataFrame([row(accuracy=a) for a in (0.3, 0.4, 0.5)])).any()


def test_a_diverged_run_collapsed():
    rows = pd.DataFrame([row(accuracy=1 / 3, status="diverged at step 2"), row(accuracy=0.4)])
    assert collapsed(rows).tolist() == [True, False]


def test_methods_and_episodes_are_judged_alone():
    rows = [row(accuracy=0.34), row("grouped", 0.95), row(accuracy=0.95, lr=0.1, episode="val/1")]
    assert not collapsed(pd.DataFrame(rows)).any()


def test_a_setting_is_judged_by_its_own_mean_where_no_other_ran():
    rows = pd.DataFrame(tuned([0.9, 0.9, 0.34]))
    assert collapsed(rows).tolist() == [False, False, True]


def test_a_run_that_has_not_learned_yet_did_not_collapse():
    small = [row(accuracy=a, lr=0.001, step_size=0.001, steps=n) for a, n in ((0.35, 5), (0.9, 20))]
    large = [row(accuracy=a, lr=0.1, step_size=0.1, steps=n) for a, n in ((0.9, 5), (0.35, 20))]
    assert collapsed(pd.DataFrame([*small, *large])).tolist() == [False, False, False, True]


def test_neighbours_of_a_collapse_are_those_of_one_setting_alone():
    rows = [
        row(accuracy=0.35 if (lr, steps) == (0.1, 20) else 0.9, lr=lr, step_size=lr, steps=steps)
        for lr in (0.01, 0.03, 0.1)
        for steps in (10, 20, 40)
    ]
    near = standing(pd.DataFrame(rows)).set_index(["step_size", "steps"])["nearby"]
    assert set(near[near > 0].index) == {(0.1, 10), (0.1, 20), (0.1, 40), (0.03, 20)}

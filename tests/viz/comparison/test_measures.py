"""Measures of the runs, as values and as paired differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from small_comparison import ANSWERS, RIGHT, hand_made

from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.viz.comparison.measure_plots import plot_measure
from kshot_viz.viz.comparison.measures import accuracy_frame, measure_frame


def test_accuracy_is_that_of_the_summary():
    comparison = hand_made()
    frame = measure_frame(comparison).set_index(["shot", "method"]).sort_index()
    summary = comparison.summary().set_index(["shot", "method"]).sort_index()
    for ours, theirs in (("value", "accuracy"), ("low", "low"), ("high", "high")):
        np.testing.assert_allclose(frame[ours], 100 * summary[theirs])
    assert frame["n"].tolist() == summary["n"].tolist()


@pytest.mark.parametrize("reference", ["plain", "grouped"])
def test_paired_differences_are_those_of_the_summary(reference):
    comparison = hand_made()
    frame = measure_frame(comparison, paired=True, reference=reference)
    summary = comparison.summary(reference=reference)
    both = frame.merge(summary, on=["shot", "method"])
    for ours, theirs in (("value", "difference"), ("low_x", "difference_low")):
        others = both[both["method"] != reference]
        np.testing.assert_allclose(others[ours], 100 * others[theirs], atol=1e-9)
    np.testing.assert_allclose(both["p_holm_x"], both["p_holm_y"])


def test_choosing_methods_does_not_soften_the_correction():
    comparison = hand_made()
    every = measure_frame(comparison, paired=True).set_index(["shot", "method"])
    one = measure_frame(comparison, paired=True, methods=["grouped"]).set_index(["shot", "method"])
    assert set(one.index.get_level_values("method")) == {"grouped"}
    assert one["p_holm"].equals(every.loc[one.index, "p_holm"])


def test_the_gap_is_support_accuracy_minus_query_accuracy():
    frame = measure_frame(hand_made(shots=(1,)), "gap").set_index("method")
    assert frame.loc["grouped", "value"] == pytest.approx(100 * (1 - (6 + 4 + 6) / 18))


def test_runs_that_diverged_have_no_support_loss_and_are_counted():
    comparison = hand_made(answers={**ANSWERS, "plain": (RIGHT, (), RIGHT)})
    plain = measure_frame(comparison, "support_loss").set_index("method").loc["plain"].iloc[0]
    assert (plain["n"], plain["missing"]) == (2, 1)
    assert plain["value"] == 0.25
    accuracy = measure_frame(comparison).set_index("method").loc["plain"].iloc[0]
    assert (accuracy["n"], accuracy["missing"]) == (3, 0)
    assert accuracy["value"] == pytest.approx(100 * (1 + 1 / 3 + 1) / 3)


def test_methods_that_all_diverged_are_drawn_as_nothing():
    comparison = hand_made(answers={**ANSWERS, "plain": ((), (), ())})
    frame = measure_frame(comparison, "support_loss", methods=["plain"])
    assert frame["n"].tolist() == [0, 0]
    plot_measure(comparison, "support_loss").figure.canvas.draw()


def test_one_episode_has_a_mean_and_no_interval():
    one = {name: each[:1] for name, each in ANSWERS.items()}
    frame = measure_frame(hand_made(answers=one, shots=(1,)))
    assert frame["low"].isna().all()
    texts = [text.get_text() for text in plot_measure(hand_made(answers=one, shots=(1,))).texts]
    assert any(text == "100.0" for text in texts)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"measure": "speed"}, KShotKeyError, "`measure` must be one of 'accuracy'"),
        ({"paired": True, "reference": "magic"}, KShotKeyError, "`reference` must be one of"),
        ({"methods": ["magic"]}, KShotKeyError, "`methods` must be one of"),
        ({"methods": []}, KShotValueError, "at least one method"),
        ({"way": 7}, KShotValueError, r"`way` must be one of \[3\]"),
    ],
)
def test_what_is_not_there_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        measure_frame(hand_made(), **options)


def test_the_accuracy_frame_is_in_percent_and_in_the_fixed_order(make: Callable) -> None:
    methods = ("mine", "grouped", "plain")
    frame = accuracy_frame(make(shots=(5, 1), methods=methods), None)
    assert frame["method"].tolist() == ["plain", "grouped", "mine"] * 2
    assert frame["shot"].tolist() == [1, 1, 1, 5, 5, 5]
    assert frame.loc[0, ["value", "low", "high"]].tolist() == pytest.approx([71.4, 70.1, 72.6])
    assert frame["beside"].tolist()[:2] == ["reference", "+0.9 [-0.4, +2.2]"]

"""Effects and verdicts, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hand_transfer import SHARES, hand_grid, hand_rows

from kshot_viz.analysis.transfer.effects import effects, enough_episodes, paired_gains, start_order
from kshot_viz.stats import bootstrap_mean, holm, paired_test


def test_effects_are_differences_to_random_weights_of_the_same_method():
    found = effects(hand_rows()).set_index(["source", "start"])
    # Every second episode of a source has 0.4 points more.
    for (source, start), share in SHARES.items():
        if source == "random":
            continue
        reference = SHARES["random", "frozen" if start == "frozen" else "random"]
        assert found.loc[(source, start), "difference"] == pytest.approx(share - reference + 0.002)
    assert (found["n"] == 12).all()
    assert (found["seeds"] == 2).all()


def test_a_seed_moves_its_own_range_and_not_the_pairs():
    rows = hand_rows()
    better = (rows["source"] == "near") & (rows["start"] == "all") & (rows["seed"] == 1)
    rows.loc[better, "accuracy"] += 0.1
    (row,) = effects(rows).query("source == 'near' and start == 'all'").to_dict("records")
    assert row["difference"] == pytest.approx(0.05 + 0.002 + 0.05)
    assert row["seed_low"] == pytest.approx(0.052)
    assert row["seed_high"] == pytest.approx(0.152)
    assert row["n"] == 12


def test_an_interval_is_that_of_the_paired_differences():
    rows = hand_rows()
    gains = paired_gains(rows).query("source == 'near' and start == 'frozen'")
    by_episode = gains.groupby("episode")["gain"].mean().sort_index()
    expected = bootstrap_mean(by_episode.to_numpy())
    (row,) = effects(rows).query("source == 'near' and start == 'frozen'").to_dict("records")
    assert (row["low"], row["high"]) == (expected.low, expected.high)
    assert row["adjusted_low"] <= row["low"] <= row["difference"] <= row["high"]


def test_the_order_of_rows_changes_nothing():
    rows = hand_rows()
    mixed = rows.sample(frac=1, random_state=0)
    columns = ["source", "start"]
    one, other = (
        effects(each).sort_values(columns).reset_index(drop=True) for each in (rows, mixed)
    )
    pd.testing.assert_frame_equal(one, other)


def test_verdicts_say_what_the_numbers_say():
    lines = hand_grid().findings()
    assert lines[0] == (
        "target, 5 shots, features frozen: near is better than random weights, +25.2 points (+25.1 "
        "to +25.3); far is worse than random weights, -14.8 points (-14.9 to -14.7)."
    )
    assert "target, 5 shots, everything fine-tuned: near is better" in lines[1]
    assert lines[2] == (
        "target, 5 shots: fine-tuning hides an advantage of near: +25.2 points with frozen "
        "features, +5.2 after full fine-tuning; masking index +20.0 (+20.0 to +20.0)."
    )
    assert "hides a disadvantage of far: -14.8 points" in lines[3]


def test_what_is_not_clear_is_called_so():
    rows = hand_rows({**SHARES, ("far", "frozen"): 0.40})
    rows.loc[(rows["source"] == "far") & (rows["episode"] == "test/0"), "accuracy"] -= 0.2
    lines = hand_grid(rows).findings()
    assert "far does not differ clearly from random weights." in lines[0]
    assert "what fine-tuning does to the gain of far is not clear" in lines[-1]


def test_few_episodes_have_no_verdict_and_it_is_said_how_many_would_do():
    # Six effects on one target: 6 * 2 / 2^7 is above 0.05, and 6 * 2 / 2^8 below it.
    assert enough_episodes(6) == 8
    assert set(effects(hand_rows(episodes=7))["verdict"]) == {"too few episodes"}
    found = effects(hand_rows(episodes=8)).set_index(["source", "start"])["verdict"]
    assert found["near", "frozen"] == "helps"
    lines = hand_grid(hand_rows(episodes=7)).findings()
    assert lines[0] == (
        "target, 5 shots, features frozen: 7 test episodes are too few (8 would do) to compare "
        "near and far with random weights."
    )
    assert "better" not in " ".join(lines[:2])


@pytest.mark.parametrize("tests", [1, 2, 6, 14, 42, 200])
def test_as_many_episodes_as_would_do_can_be_clear(tests):
    n = enough_episodes(tests)
    one = np.linspace(0.5, 0.6, n)
    alike = [paired_test(one, one - 0.1 - 0.001 * np.arange(n)).p_value] * tests
    assert holm(alike).max() < 0.05
    fewer = paired_test(one[1:], one[1:] - 0.1 - 0.001 * np.arange(n - 1)).p_value
    assert holm([fewer] * tests).min() >= 0.05


def test_one_episode_has_no_interval_and_no_verdict():
    rows = hand_rows(episodes=1)
    grid = hand_grid(rows)
    assert set(grid.effects()["verdict"]) == {"too few episodes"}
    lines = grid.findings()
    assert lines[0] == (
        "target, 5 shots, features frozen: 1 test episode is too few (8 would do) to compare near "
        "and far with random weights."
    )
    assert lines[2] == (
        "target, 5 shots: 1 test episode is too few (7 would do) to tell what fine-tuning does to "
        "the gain of near: +25.0 points with frozen features, +5.0 after full fine-tuning; masking "
        "index +20.0."
    )
    assert "nan" not in grid._repr_html_().lower()


def test_starts_that_have_no_masking_index_have_sentences():
    rows = hand_rows()
    lines = hand_grid(rows[rows["start"].isin(["random", "hybrid:conv"])]).findings()
    assert len(lines) == 1
    assert lines[0].startswith("target, 5 shots, source up to conv: near is better than random")


def test_representations_stand_beside_the_effect():
    (row,) = hand_grid().representations().to_dict("records")
    assert (row["value"], row["verdict"]) == (0.5, "helps")
    assert row["difference"] == pytest.approx(0.052)


def test_a_grid_is_shown_with_its_names_escaped():
    rows = hand_rows()
    rows["source"] = rows["source"].replace("near", "<b>near</b>")
    grid = hand_grid(rows)
    assert "<b>" not in grid._repr_html_()
    assert "&lt;b&gt;near" in grid._repr_html_()
    assert repr(grid).startswith("TransferGrid of 2 sources and 1 target, 192 rows.")


def test_starts_have_an_order():
    given = ["hybrid:b", "grouped", "all", "hybrid:a", "frozen", "mean_variance"]
    assert start_order(given) == [
        "mean_variance", "frozen", "all", "hybrid:b", "hybrid:a", "grouped",
    ]  # fmt: skip

"""Effects, the masking index and verdicts, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hand_transfer import SHARES, hand_grid, hand_rows

from kshot_viz.analysis.transfer.effects import effects, masking, paired_gains, start_order
from kshot_viz.errors import KShotValueError
from kshot_viz.stats import bootstrap_mean


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


def test_the_masking_index_is_the_difference_of_two_gains():
    found = masking(hand_rows()).set_index("source")
    # (0.65 - 0.40) - (0.75 - 0.70), and (0.25 - 0.40) - (0.70 - 0.70).
    assert found.loc["near", "index"] == pytest.approx(0.20)
    assert found.loc["far", "index"] == pytest.approx(-0.15)
    assert found.loc["near", "frozen_gain"] == pytest.approx(0.252)
    assert found.loc["near", "full_gain"] == pytest.approx(0.052)
    assert found["verdict"].tolist() == ["hides an advantage", "hides a disadvantage"]


def test_the_masking_index_is_bootstrapped_over_episodes():
    rows = hand_rows()
    rng = np.random.default_rng(0)
    rows["accuracy"] += rng.normal(0, 0.02, len(rows))
    (row,) = masking(rows).query("source == 'near'").to_dict("records")
    gains = paired_gains(rows).query("source == 'near'")
    wide = gains.pivot_table("gain", "episode", "start")
    expected = bootstrap_mean((wide["frozen"] - wide["all"]).to_numpy())
    assert row["index"] == pytest.approx(expected.mean)
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))


def test_another_start_may_hide_as_much():
    found = hand_grid().masking("hybrid:conv").set_index("source")
    # (0.65 - 0.40) - (0.72 - 0.70), and (0.25 - 0.40) - (0.69 - 0.70).
    assert found["index"].to_dict() == pytest.approx({"near": 0.23, "far": -0.14})
    with pytest.raises(KShotValueError, match=r"lacks 'grouped' of 'frozen', 'all', 'hybrid:conv'"):
        hand_grid().masking("grouped")
    # Random weights have no gain over themselves.
    with pytest.raises(KShotValueError, match="lacks 'random'"):
        hand_grid().masking("random")


def test_only_what_is_there_can_be_hidden():
    rows = hand_rows({**SHARES, ("near", "frozen"): 0.40 - 0.002, ("near", "all"): 0.60})
    (row,) = masking(rows).query("source == 'near'").to_dict("records")
    assert row["frozen_low"] < 0 < row["frozen_high"]
    assert row["full_high"] < 0
    assert row["verdict"] == "lowers the gain"
    rows = hand_rows({**SHARES, ("far", "frozen"): 0.45, ("far", "all"): 0.90})
    (row,) = masking(rows).query("source == 'far'").to_dict("records")
    assert row["verdict"] == "raises the gain"


def test_without_both_starts_there_is_no_index():
    rows = hand_rows()
    with pytest.raises(KShotValueError, match=r"needs the starts.*lacks 'all'"):
        masking(rows[rows["start"] != "all"])
    # The verdicts go without it.
    assert "masking" not in " ".join(hand_grid(rows[rows["start"] != "all"]).findings())


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


def test_one_episode_has_no_interval_and_no_verdict():
    rows = hand_rows(episodes=1)
    assert set(effects(rows)["verdict"]) == {"not clear"}
    assert set(masking(rows)["verdict"]) == {"not clear"}
    assert hand_grid(rows).findings()


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

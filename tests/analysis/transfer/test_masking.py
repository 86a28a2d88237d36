"""The masking index and what is said of it, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hand_transfer import SHARES, hand_grid, hand_rows

from kshot_viz.analysis.transfer.effects import paired_gains
from kshot_viz.errors import KShotValueError
from kshot_viz.stats import bootstrap_mean


def masked(rows: pd.DataFrame) -> pd.DataFrame:
    return hand_grid(rows).masking()


@pytest.mark.slow
def test_the_masking_index_is_the_difference_of_two_gains():
    found = masked(hand_rows()).set_index("source")
    # (0.65 - 0.40) - (0.75 - 0.70), and (0.25 - 0.40) - (0.70 - 0.70).
    assert found.loc["near", "index"] == pytest.approx(0.20)
    assert found.loc["far", "index"] == pytest.approx(-0.15)
    assert found.loc["near", "frozen_gain"] == pytest.approx(0.252)
    assert found.loc["near", "tuned_gain"] == pytest.approx(0.052)
    assert found["verdict"].tolist() == ["hides an advantage", "hides a disadvantage"]


def test_the_masking_index_is_bootstrapped_over_episodes():
    rows = hand_rows()
    rng = np.random.default_rng(0)
    rows["accuracy"] += rng.normal(0, 0.02, len(rows))
    (row,) = masked(rows).query("source == 'near'").to_dict("records")
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
    (row,) = masked(rows).query("source == 'near'").to_dict("records")
    assert row["frozen_low"] < 0 < row["frozen_high"]
    assert row["tuned_high"] < 0
    assert row["verdict"] == "lowers the gain"
    rows = hand_rows({**SHARES, ("far", "frozen"): 0.45, ("far", "all"): 0.90})
    (row,) = masked(rows).query("source == 'far'").to_dict("records")
    assert row["verdict"] == "raises the gain"


def test_without_both_starts_there_is_no_index():
    rows = hand_rows()
    with pytest.raises(KShotValueError, match=r"needs the starts.*lacks 'all'"):
        masked(rows[rows["start"] != "all"])
    # The verdicts go without it.
    assert "masking" not in " ".join(hand_grid(rows[rows["start"] != "all"]).findings())


@pytest.mark.parametrize(
    ("frozen", "tuned", "said"),
    [
        (0.40 - 0.03, 0.70 - 0.15, "enlarges the loss"),
        (0.40 + 0.03, 0.70 - 0.15, "lowers the gain"),
        (0.40 - 0.30, 0.70 - 0.10, "lessens the loss"),
        (0.40 - 0.03, 0.70 + 0.15, "raises the gain"),
    ],
)
def test_a_loss_is_called_one_where_both_gains_are_below_zero(frozen, tuned, said):
    rows = hand_rows({**SHARES, ("far", "frozen"): frozen, ("far", "all"): tuned})
    # Half of the episodes say the opposite of the frozen source, so that it has no clear effect.
    own = (rows["source"] == "far") & (rows["start"] == "frozen")
    odd = rows["episode"].str[5:].astype(int) % 2 == 1
    spread = 2.2 * abs(frozen - 0.40)
    rows.loc[own & odd, "accuracy"] += spread
    rows.loc[own & ~odd, "accuracy"] -= spread
    # The tuned source varies alike, so the index itself does not.
    own = (rows["source"] == "far") & (rows["start"] == "all")
    rows.loc[own & odd, "accuracy"] += spread
    rows.loc[own & ~odd, "accuracy"] -= spread
    grid = hand_grid(rows)
    (effect,) = grid.effects().query("source == 'far' and start == 'frozen'")["verdict"]
    assert effect == "not clear"
    (row,) = grid.masking().query("source == 'far'").to_dict("records")
    assert row["verdict"] == said
    assert any(f"fine-tuning {said} of far: " in line for line in grid.findings())


def test_an_advantage_is_hidden_only_where_the_effect_is_clear():
    # By its own interval the frozen source is better, but not among as many effects.
    rows = hand_rows({**SHARES, ("near", "frozen"): 0.43, ("near", "all"): 0.55})
    own = (rows["source"] == "near") & rows["start"].isin(["frozen", "all"])
    rows.loc[own & rows["episode"].isin(["test/0", "test/1", "test/2"]), "accuracy"] -= 0.06
    grid = hand_grid(rows)
    (row,) = grid.masking().query("source == 'near'").to_dict("records")
    (effect,) = grid.effects().query("source == 'near' and start == 'frozen'").to_dict("records")
    assert row["frozen_low"] > 0 or effect["low"] > 0
    assert effect["verdict"] == "not clear"
    assert row["verdict"] == "lowers the gain"


def test_the_index_is_adjusted_for_the_number_of_sources():
    rng = np.random.default_rng(0)
    alone = hand_rows()
    alone = alone[alone["source"].isin(["random", "near"])]
    own = (alone["source"] == "near") & (alone["start"] == "frozen")
    noise = rng.normal(-0.15, 0.09, 12)
    alone.loc[own, "accuracy"] += np.tile(noise, 2)
    near = alone[alone["source"] == "near"]
    beside = pd.concat([alone, *(near.assign(source=f"near {i}") for i in range(19))])
    (one,) = masked(alone).to_dict("records")
    row = masked(beside).iloc[0]
    assert (row["low"], row["high"]) == (one["low"], one["high"])
    assert (one["adjusted_low"], one["adjusted_high"]) == (one["low"], one["high"])
    assert row["adjusted_low"] < one["low"] < one["high"] < row["adjusted_high"]
    assert row["p_holm"] == pytest.approx(min(20 * one["p_value"], 1))
    assert 0 < one["p_value"] < 0.05 < row["p_holm"]
    assert (one["verdict"] == "not clear", row["verdict"]) == (False, "not clear")


def test_the_accuracies_that_an_index_is_made_of_stand_beside_it():
    grid = hand_grid()
    for start in ("all", "hybrid:conv"):
        found = grid.masking(start)
        assert set(found["start"]) == {start}
        own = found["frozen_accuracy"] - found["tuned_accuracy"]
        random = found["random_frozen_accuracy"] - found["random_tuned_accuracy"]
        assert (own - random).tolist() == pytest.approx(found["index"].tolist())
    # Episodes add 5.5 points on average, and 0.2 to a source.
    row = grid.masking().set_index("source").loc["near"]
    assert row["frozen_accuracy"] == pytest.approx(0.65 + 0.057)
    assert row["tuned_accuracy"] == pytest.approx(0.75 + 0.057)
    assert row["random_frozen_accuracy"] == pytest.approx(0.40 + 0.055)
    assert row["random_tuned_accuracy"] == pytest.approx(0.70 + 0.055)


@pytest.mark.parametrize(("frozen", "tuned", "room"), [(0.96, 0.99, 0), (0.94, 0.99, 1)])
def test_a_source_near_the_ceiling_leaves_the_index_to_random_weights(frozen, tuned, room):
    shares = {
        ("near", "frozen"): frozen - 0.057, ("near", "all"): tuned - 0.057,
    }  # fmt: skip
    lines = hand_grid(hand_rows({**SHARES, **shares})).findings()
    (line,) = [one for one in lines if "masking index" in one and " of near" in one]
    said = (
        f"; near has an accuracy of {100 * frozen:.1f} % and {100 * tuned:.1f} %, so there is "
        f"little room above it: the index is mostly what random weights gain by tuning, 45.5 % to "
        f"75.5 %."
    )
    assert line.endswith(said) == (not room)
    assert ("little room" in line) == (not room)


def test_few_episodes_have_no_verdict():
    # Of two sources, 2 * 2 / 2^6 is above 0.05, and 2 * 2 / 2^7 below it.
    assert set(masked(hand_rows(episodes=6))["verdict"]) == {"too few episodes"}
    assert "too few episodes" not in set(masked(hand_rows(episodes=7))["verdict"])

"""Differences at other settings, from the rows that are there."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from kshot_viz.study.findings.robustness import (
    CHOSEN,
    DEFAULT,
    ROBUSTNESS,
    RULE,
    STEP_SIZE,
    robustness,
)
from kshot_viz.study.settings.choice import both_rules
from kshot_viz.study.tables import summary

TASK = {"data": "toy", "backbone": "net", "way": 2, "shot": 1}
LRS = (0.001, 0.003, 0.01)


def run(method: str, lr: float, accuracy: float, *, pool: str = "val", episode: int = 0, **more):
    return {
        **TASK,
        "method": method,
        "pool": pool,
        "episode": f"{pool}/{episode}",
        "setting": f"{method} {lr}",
        "steps": 40,
        "step_size": lr,
        "lr": lr,
        "head_lr": 0.1,
        "tuned": json.dumps({"lr": lr, "head_lr": 0.1}),
        "n_query": 100,
        "status": "ok",
        "accuracy": accuracy,
    } | more


def setting(method: str, lr: float, rule: str = "guarded") -> dict:
    named = {"setting": f"{method} {lr}", "steps": 40, "rule": rule}
    return {**TASK, "method": method, **named}


# Two tuning episodes of three step sizes each; groups gain 1, 2 and 3 points over plain.
ROWS = [
    run(method, lr, 0.6 + 0.05 * e + (method == "grouped") * 0.01 * (i + 1), episode=e)
    for method in ("plain", "grouped")
    for i, lr in enumerate(LRS)
    for e in range(2)
]
TESTS = [
    run(method, lr, 0.5 + (method == "grouped") * gain, pool="test", episode=e)
    for method, lr in (("plain", 0.003), ("grouped", 0.003))
    for e, gain in enumerate((0.0, 0.04, 0.08))
]
CHOSE = pd.DataFrame([setting("plain", 0.003), setting("grouped", 0.003)])


def found(rows: list[dict], settings: pd.DataFrame = CHOSE) -> pd.DataFrame:
    return robustness(pd.DataFrame(rows), settings)


def of(variant: str, rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["variant"] == variant]


def test_the_chosen_settings_are_estimated_on_both_pools():
    rows = found([*ROWS, *TESTS])
    assert list(rows.columns) == ROBUSTNESS
    assert set(rows["method"]) == {"grouped"}
    chosen = rows[rows["variant"] == CHOSEN].set_index("pool")
    assert chosen.loc["test", "difference"] == pytest.approx(0.04)
    assert chosen.loc["test", "n"] == 3
    assert chosen.loc["test", "low"] < 0.04 < chosen.loc["test", "high"]
    assert chosen.loc["val", "difference"] == pytest.approx(0.02)
    assert chosen["same"].all()


def test_the_default_settings_are_found_by_their_values():
    rows = found([*ROWS, *TESTS])
    (default,) = rows[rows["variant"] == DEFAULT].to_dict("records")
    # The library's default step size is the chosen one here, so its test rows serve.
    assert (default["pool"], default["same"]) == ("test", True)
    others = [row for row in ROWS if row["lr"] != 0.003]
    chosen = pd.DataFrame([setting("plain", 0.01), setting("grouped", 0.01)])
    assert DEFAULT not in set(found(others, chosen)["variant"])


def test_a_method_that_takes_no_steps_has_default_settings():
    still = {"steps": 0, "setting": "nearest", "tuned": "{}", "step_size": 0.0}
    nearest = [run("nearest_mean", 0.003, 0.55, episode=e, **still) for e in range(2)]
    took = {**setting("nearest_mean", 0.003), "setting": "nearest", "steps": 0}
    chosen = pd.DataFrame([setting("plain", 0.01), took])
    (default,) = of(DEFAULT, found([*ROWS, *nearest], chosen)).to_dict("records")
    assert (default["steps"], default["plain_steps"], default["n"]) == (0, 40, 2)
    assert json.loads(default["plain_tuned"])["lr"] == 0.003


def test_neighbours_are_the_step_sizes_before_and_after_of_either_method():
    near = of(STEP_SIZE, found([*ROWS, *TESTS]))
    sizes = {
        (json.loads(row["tuned"])["lr"], json.loads(row["plain_tuned"])["lr"]): row["difference"]
        for row in near.to_dict("records")
    }
    expected = {(a, b) for a in LRS for b in LRS} - {(0.003, 0.003)}
    assert set(sizes) == expected
    # Plain has one accuracy at all of its step sizes.
    assert sizes[0.001, 0.01] == pytest.approx(0.01)
    assert sizes[0.01, 0.001] == pytest.approx(0.03)
    assert set(near["pool"]) == {"val"}


def test_a_chosen_setting_at_the_edge_has_neighbours_on_one_side():
    chosen = pd.DataFrame([setting("plain", 0.001), setting("grouped", 0.01)])
    near = of(STEP_SIZE, found(ROWS, chosen))
    assert len(near) == 3


def test_the_rule_that_was_not_used_takes_its_own_settings(comparison):
    rows = of(RULE, comparison.robustness())
    assert set(rows["rule"]) == {"best"}
    taken = both_rules(comparison.frame.query("pool == 'val'")).query("rule == 'best'")
    taken = taken.set_index(["shot", "method"])
    for row in rows.to_dict("records"):
        assert row["tuned"] == taken.loc[(row["shot"], row["method"]), "tuned"]
        assert row["plain_steps"] == taken.loc[(row["shot"], "plain"), "steps"]


def test_the_finding_is_the_difference_of_the_summary(comparison):
    rows = of(CHOSEN, comparison.robustness()).query("pool == 'test'")
    summary = comparison.summary().query("method != 'plain'")
    both = rows.merge(summary, on=["shot", "method"])
    assert len(both) == len(summary)
    assert (both["difference_x"] == both["difference_y"]).all()
    assert (both["low_x"] == both["difference_low"]).all()


def test_one_difference_has_one_interval_whatever_the_order_of_rows():
    gains = (0.0, 0.31, 0.02, 0.07, 0.13, 0.05, 0.29, 0.11, 0.23, 0.17, 0.03, 0.19)
    tests = [
        run(method, 0.003, 0.5 + (method == "grouped") * gain, pool="test", episode=e)
        for e, gain in enumerate(gains)
        for method in ("plain", "grouped")
    ]
    # Names in the order of runs (test/2 before test/10) are not in that of the alphabet.
    frame = pd.DataFrame(tests).assign(chosen=True, head_lr=0.1)
    (known,) = robustness(frame, CHOSE).query("variant == 'chosen'").to_dict("records")
    (other,) = robustness(frame[::-1], CHOSE).query("variant == 'chosen'").to_dict("records")
    row = summary(frame, CHOSE, "plain").set_index("method").loc["grouped"]
    assert (known["low"], known["high"]) == (other["low"], other["high"])
    assert (known["low"], known["high"]) == (row["difference_low"], row["difference_high"])


def test_a_setting_that_stopped_early_is_paired_where_it_ran():
    rows = [row for row in ROWS if (row["lr"], row["episode"]) != (0.01, "val/1")]
    near = of(STEP_SIZE, found(rows))
    assert sorted(set(near["n"])) == [1, 2]
    assert near.loc[near["n"] == 1, "low"].isna().all()


def test_without_plain_or_without_tuning_nothing_is_made_up(compare, episodes):
    alone = compare(methods=["grouped"], episodes=episodes[:2], tune=None)
    assert list(alone.robustness().columns) == ROBUSTNESS
    assert len(alone.robustness()) == 0
    untuned = compare(methods=["plain", "grouped"], episodes=episodes[:2], tune=None)
    given = untuned.robustness()
    # What ran are the given settings, which are the default ones.
    assert set(given["variant"]) == {CHOSEN, DEFAULT}
    assert given["same"].all()


def test_the_whole_grid_on_test_episodes_serves_instead_of_tuning_episodes(compare, episodes):
    full = compare(methods=["plain", "grouped"], episodes=episodes[:2], full=True)
    rows = full.robustness()
    assert set(rows.loc[rows["variant"] != CHOSEN, "pool"]) == {"test"}

"""Two methods at the same step sizes and numbers of steps."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from kshot_viz.study.findings.equal_settings import EQUAL, at_equal_settings

TASK = {"data": "toy", "backbone": "net", "way": 2, "shot": 1}


def run(method: str, lr: float, episode: int, accuracy: float, **changes: object) -> dict:
    row = {**TASK, "method": method, "pool": "val", "episode": f"val/{episode}", "steps": 40}
    return row | {"tuned": json.dumps({"lr": lr}), "accuracy": accuracy} | changes


def test_runs_are_paired_setting_by_setting_and_each_episode_counts_once():
    rows = [
        run("a", 0.1, 0, 0.6), run("b", 0.1, 0, 0.5),
        run("a", 0.2, 0, 0.9), run("b", 0.2, 0, 0.6),
        # Stopped after the first episode.
        run("a", 0.1, 1, 0.5), run("b", 0.1, 1, 0.7),
        # Of one method alone, or no tuning row.
        run("a", 0.3, 0, 1.0), run("b", 0.2, 1, 1.0), run("b", 0.1, 1, 1.0, steps=20),
        run("a", 0.1, 2, 1.0, pool="test"), run("b", 0.1, 2, 0.0, pool="test"),
    ]  # fmt: skip
    (found,) = at_equal_settings(pd.DataFrame(rows), "a", "b").to_dict("records")
    # +10 and +30 points in the first episode, -20 in the second.
    assert found["difference"] == pytest.approx((0.2 - 0.2) / 2)
    assert (found["low"], found["high"]) == (pytest.approx(-0.2), pytest.approx(0.2))
    assert (found["n"], found["settings"], found["shot"]) == (2, 2, 1)


def test_without_a_common_setting_there_is_no_row():
    rows = [run("a", 0.1, 0, 0.6), run("b", 0.2, 0, 0.5)]
    found = at_equal_settings(pd.DataFrame(rows), "a", "b")
    assert (list(found.columns), len(found)) == (EQUAL, 0)


def test_groups_and_shuffled_groups_of_a_comparison_have_the_same_settings(comparison):
    found = at_equal_settings(comparison.frame, "grouped", "plain")
    assert set(found["shot"]) == set(comparison.settings["shot"])
    assert (found["n"] > 0).all()

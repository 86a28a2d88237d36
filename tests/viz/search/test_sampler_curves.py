"""Samplers side by side, and what shrinks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kshot_viz.errors import KShotError
from kshot_viz.viz import plot_best_so_far, plot_shrinkage

BEST = pd.DataFrame(
    {
        "sampler": ["random"] * 2 + ["reinforce"] * 2 + ["mine"] * 2,
        "spent": [1.0, 2.0] * 3,
        "mean": [0.5, 0.6, 0.5, 0.7, 0.4, 0.4],
        "low": [0.4, 0.5, 0.4, 0.6, 0.3, 0.3],
        "high": [0.6, 0.7, 0.6, 0.8, 0.5, 0.5],
        "n": [3] * 6,
    }
)
RESCORED = pd.DataFrame(
    {
        "sampler": ["random", "reinforce"],
        "reward": [0.8, 0.9],
        "accuracy": [0.7, 0.85],
        "low": [0.6, 0.8],
        "high": [0.8, 0.9],
        "n": [20, 20],
        "shrinkage": [0.1, 0.05],
    }
)


def test_each_sampler_has_its_line_and_its_name():
    lines = {one.get_label(): one.get_ydata() for one in plot_best_so_far(BEST).get_lines()}
    assert list(lines) == ["controller", "random search", "mine"]
    np.testing.assert_array_equal(lines["controller"], [0.5, 0.7])


def test_the_first_rewards_do_not_squeeze_the_rest():
    late = BEST.assign(spent=BEST["spent"].map({1.0: 1.0, 2.0: 20.0}))
    low, high = plot_best_so_far(late).get_ylim()
    assert 0.2 < low < 0.3
    assert 0.8 < high < 0.9


def test_points_stand_at_reward_and_fresh_accuracy():
    ax = plot_shrinkage(RESCORED)
    points = [bar.lines[0].get_xydata().tolist() for bar in ax.containers]
    assert points == [[[0.9, 0.85]], [[0.8, 0.7]]]
    assert any("7.5 points lost" in text.get_text() for text in ax.texts)


def test_one_search_needs_no_sampler_column():
    assert plot_shrinkage(RESCORED.drop(columns="sampler")).containers


def test_nothing_was_scored():
    with pytest.raises(KShotError, match="no rows"):
        plot_shrinkage(RESCORED.iloc[:0])

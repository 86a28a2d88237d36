"""The reward of a search, and samplers at equal budget."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from kshot_viz.errors import KShotError
from kshot_viz.study.searches.samplers import SamplerComparison
from kshot_viz.viz import plot_best_so_far, plot_search, plot_shrinkage
from kshot_viz.viz.search.reward_curves import best_frame, random_histories

HISTORY = pd.DataFrame(
    {
        "reward": [0.2, 0.6, 0.4],
        "best": [0.2, 0.6, 0.6],
        "mean": [0.2, 0.4, 0.4],
        "spent": [1.0, 2.0, 2.5],
    }
)
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


def test_the_lines_are_the_columns():
    ax = plot_search(HISTORY, random=HISTORY.iloc[:2])
    lines = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
    np.testing.assert_array_equal(lines["best so far"], HISTORY["best"])
    np.testing.assert_array_equal(lines["mean of 20"], HISTORY["mean"])
    np.testing.assert_array_equal(lines["best of random search"], [0.2, 0.6])
    np.testing.assert_array_equal(ax.collections[0].get_offsets()[:, 1], HISTORY["reward"])


def best_curve(spent, best) -> pd.DataFrame:
    return pd.DataFrame({"spent": spent, "best": best})


def test_several_random_searches_are_a_band_at_equal_budget():
    several = [best_curve([1.0, 2.0, 3.0], [0.1, 0.5, 0.5]), best_curve([1.0, 2.5], [0.3, 0.4])]
    frame = best_frame(several)
    assert frame["spent"].tolist() == [1.0, 2.0, 2.5]
    assert frame["low"].tolist() == [0.1, 0.3, 0.4]
    assert frame["high"].tolist() == [0.3, 0.5, 0.5]
    np.testing.assert_allclose(frame["median"], [0.2, 0.4, 0.45])
    ax = plot_search(HISTORY, random=several)
    lines = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
    np.testing.assert_allclose(lines["their median"], [0.2, 0.4, 0.45])
    band = ax.collections[1].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (0.1, 0.5)
    assert ax.collections[1].get_label() == "range of 2 random searches"


def test_the_random_searches_of_a_comparison_are_the_band():
    named = {
        ("random", 0): best_curve([1.0], [0.1]),
        ("tpe", 0): best_curve([1.0], [0.9]),
        ("random", 1): best_curve([1.0], [0.3]),
    }
    found = {key: SimpleNamespace(history=one) for key, one in named.items()}
    histories = random_histories(SamplerComparison(found))
    assert [one["best"].iloc[0] for one in histories] == [0.1, 0.3]


@pytest.mark.parametrize("random", [[], SamplerComparison({})])
def test_no_random_search_is_said(random):
    with pytest.raises(KShotError, match="holds no random search"):
        plot_search(HISTORY, random=random)


def test_nothing_to_draw_yet():
    with pytest.raises(KShotError, match="no finished rollout"):
        plot_search(HISTORY.iloc[:0])


def test_a_few_failures_do_not_flatten_the_rest():
    rewards = np.r_[np.linspace(0.80, 0.82, 38), 0.1, 0.05]
    frame = pd.DataFrame(
        {"reward": rewards, "best": 0.82, "mean": 0.81, "spent": np.arange(1.0, 41.0)}
    )
    ax = plot_search(frame)
    assert ax.get_ylim()[0] > 0.79
    drawn = {one.get_label(): len(one.get_offsets()) for one in ax.collections}
    assert drawn == {"rollout": 38, "2 down to 0.05": 2}
    below = next(one for one in ax.collections if one.get_label() != "rollout")
    assert (below.get_offsets()[:, 1] < 0.80).all()
    assert (below.get_offsets()[:, 1] > ax.get_ylim()[0]).all()


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

"""The curve of a search shows its history."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from kshot_viz.errors import KShotError
from kshot_viz.study.samplers import SamplerComparison
from kshot_viz.viz import plot_search
from kshot_viz.viz.search.reward_curves import best_frame, random_histories

HISTORY = pd.DataFrame(
    {
        "reward": [0.2, 0.6, 0.4],
        "best": [0.2, 0.6, 0.6],
        "mean": [0.2, 0.4, 0.4],
        "spent": [1.0, 2.0, 2.5],
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

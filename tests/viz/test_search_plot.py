"""The curve of a search shows its history."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kshot_viz.errors import KShotError
from kshot_viz.viz import plot_search

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


def test_nothing_to_draw_yet():
    with pytest.raises(KShotError, match="no finished rollout"):
        plot_search(HISTORY.iloc[:0])

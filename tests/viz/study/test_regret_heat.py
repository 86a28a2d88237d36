"""The heat map of regret: a row per method, the best on top, a column per regime."""

from __future__ import annotations

import pandas as pd
import pytest

from kshot_viz import viz
from kshot_viz.errors import KShotKeyError
from kshot_viz.viz.style.dark_mode import recolour


class Made:
    """Stands for a study."""

    def __init__(self, rows):
        columns = ["method", "regime", "rule", "mean", "worst", "tasks"]
        self.rows = pd.DataFrame(rows, columns=columns)

    def regret(self):
        return self.rows


ROWS = [
    ("plain", "many", "guarded", 1.0, 3.0, 4),
    ("plain", "blind", "guarded", 8.0, 25.0, 4),
    ("grouped", "many", "guarded", 0.5, 1.0, 4),
    ("grouped", "blind", "guarded", 2.0, 2.5, 4),
    ("logistic", "many", "guarded", 0.0, 0.4, 4),
    ("plain", "many", "best", 0.1, 0.2, 4),
]


def test_numbers_stand_in_the_cells():
    ax = viz.plot_regret(Made(ROWS))
    assert [one.get_text() for one in ax.get_xticklabels()] == ["blind\n4 tasks", "many\n4 tasks"]
    assert [one.get_text() for one in ax.get_yticklabels()] == [
        "logistic", "groups", "plain",
    ]  # fmt: skip
    written = {(one.get_position()): one.get_text() for one in ax.texts}
    assert written[1, 0] == "0.0 (0.4)"
    assert written[0, 2] == "8.0 (25.0)"
    # What did not run has no number.
    assert written[0, 0] == "-"


def test_numbers_stay_readable_on_a_dark_page():
    ax = viz.plot_regret(Made(ROWS))
    cells = {one.get_text(): one for one in ax.texts}
    before = {name: one.get_color() for name, one in cells.items()}
    recolour(ax.figure, dark=True)
    after = {name: one.get_color() for name, one in cells.items()}
    changed = {name for name in cells if after[name] != before[name]}
    # What has no number has no cell: it stands on the page, as the note does.
    assert "-" in changed
    assert not {name for name in changed if "(" in name and name[0].isdigit()}
    assert after["0.0 (0.4)"] == "#000000"


def test_each_rule_has_its_own():
    ax = viz.plot_regret(Made(ROWS), rule="best")
    assert [one.get_text() for one in ax.get_xticklabels()] == ["many\n4 tasks"]
    with pytest.raises(KShotKeyError, match="rule"):
        viz.plot_regret(Made(ROWS), rule="worst")


def test_one_useless_method_does_not_hide_the_others():
    ax = viz.plot_regret(Made([*ROWS, ("hard_tying", "many", "guarded", 80.0, 90.0, 4)]))
    assert ax.images[0].norm.vmax == 20

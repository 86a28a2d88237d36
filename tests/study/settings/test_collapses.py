"""At which step sizes runs collapse."""

from __future__ import annotations

import pandas as pd
from small_comparison import hand_made
from tuning_rows import tuned

from kshot_viz.study.settings.collapses import collapses


def test_collapsed_runs_are_counted_method_by_method_and_step_by_step():
    rows = [
        *tuned((0.9, 0.9), lr=0.01),
        *tuned((0.3, 0.9), lr=0.1),
        *tuned((0.3, 0.3), lr=1.0, steps=16),
        *tuned((0.9, 0.9), lr=0.1, method="grouped"),
        *tuned((0.8, 0.8), lr=0.1, method="grouped", status="diverged"),
    ]
    found = collapses(pd.DataFrame(rows))
    assert list(found["method"]) == ["grouped", "plain", "plain", "plain"]
    assert list(found["step_size"]) == [0.1, 0.01, 0.1, 1.0]
    assert list(found["n"]) == [4, 2, 2, 2]
    assert list(found["collapsed"]) == [2, 0, 1, 2]


def test_a_comparison_counts_its_tuning_runs_alone():
    table = hand_made()
    found = table.collapses()
    assert found["n"].sum() == (table.frame["pool"] == "val").sum()
    assert set(found["method"]) == set(table.settings["method"])


def test_without_tuning_there_is_nothing_to_count():
    assert not len(collapses(pd.DataFrame(tuned((0.9,))).iloc[:0]))

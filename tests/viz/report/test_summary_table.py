from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from kshot_viz.study.findings.finding import is_clear
from kshot_viz.study.task import TASK
from kshot_viz.viz.report.table import (
    accuracy_text,
    blocks,
    difference_text,
)

NAN = float("nan")


def test_one_block_a_task_with_methods_in_the_fixed_order(make: Callable) -> None:
    made = blocks(make(shots=(5, 1), methods=("mine", "grouped", "plain")).summary())
    assert [block.title for block in made] == [
        "10 classes, 1 shot, 20 test episodes",
        "10 classes, 5 shots, 20 test episodes",
    ]
    assert [row.method for row in made[0].rows] == ["plain", "grouped", "mine"]
    assert made[0].head == (
        "method",
        "accuracy, %",
        "vs plain, points",
        "p adj.",
        "lr/head lr",
        "steps",
    )
    assert made[0].rows[1].cells == (
        "groups",
        "71.4 [70.1, 72.6]",
        "+0.9 [-0.4, +2.2]",
        "0.400",
        "0.003/0.1",
        "20",
    )
    assert made[0].rows[0].cells[2:4] == ("reference", "")


def test_unequal_numbers_of_episodes_and_divergence_get_columns(row: Callable) -> None:
    (block,) = blocks(pd.DataFrame([row("plain", n=19), row(diverged=3)]))
    assert block.title == "10 classes, 1 shot"
    assert block.head[-2:] == ("n", "diverged")
    assert [line.cells[-2:] for line in block.rows] == [("19", "0"), ("20", "3")]


@pytest.mark.parametrize(
    ("low", "high", "p", "clear"),
    [
        (0.001, 0.02, 0.01, True),
        (-0.02, -0.001, 0.01, True),
        (-0.001, 0.02, 0.01, False),
        (0.001, 0.02, 0.06, False),
        (0.0, 0.02, 0.01, False),
        (NAN, NAN, 0.01, False),
        (0.001, 0.02, NAN, False),
    ],
)
def test_a_difference_is_clear_by_interval_and_adjusted_p(
    row: Callable, low: float, high: float, p: float, clear: bool
) -> None:
    one = row(difference_low=low, difference_high=high, p_holm=p)
    assert is_clear(one) is clear
    (block,) = blocks(pd.DataFrame([one]))
    assert block.rows[0].clear is clear
    assert block.rows[0].cells[2].endswith(" *") is clear


def test_missing_intervals_and_references_are_not_made_up(row: Callable) -> None:
    assert accuracy_text(row(low=NAN, high=NAN)) == "71.4"
    assert difference_text(row(difference_low=NAN, difference_high=NAN)) == "+0.9"
    assert difference_text(row(difference=NAN)) == "-"
    assert difference_text(row("plain")) == "reference"


def test_an_empty_summary_has_no_block() -> None:
    assert blocks(pd.DataFrame(columns=[*TASK, "method"])) == []

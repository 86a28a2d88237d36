"""What a report says about the neurons of groups."""

from __future__ import annotations

from typing import Any

import pandas as pd
from summary_rows import NAN, TASK

from kshot_viz.viz.report.alike_text import HEAD, cells, methods_of, verdicts


def layer(name: str, p: float, measure: str = "activations", **changes: Any) -> dict:
    row = {
        **TASK,
        "shot": 1,
        "method": "grouped",
        "measure": measure,
        "layer": name,
        "neurons": 32,
        "groups": 3.0,
        "within": 0.41,
        "between": -0.001,
        "shuffled": 0.2,
        "shuffled_low": 0.15,
        "shuffled_high": 0.25,
        "n": 3,
        "p_value": p / 2,
        "p_holm": p,
    }
    return row | changes


NOTHING = dict.fromkeys(
    ("within", "between", "shuffled", "shuffled_low", "shuffled_high", "p_value", "p_holm"), NAN
)


def test_layers_are_counted_and_named():
    rows = [layer("a", 0.004), layer("b", 0.3), layer("a", 0.9, "gradients")]
    rows += [layer("b", 0.05, "gradients"), layer("c", NAN, **NOTHING)]
    assert verdicts(pd.DataFrame(rows)) == (
        "neurons of a group are more alike than those of shuffled groups in 1 of 2 layers (a) by "
        "activations and in none of 2 layers by gradients."
    )


def test_a_row_of_the_table_has_numbers_range_and_verdict():
    rows = [layer("a", 0.004), layer("b", 0.3, groups=2.5), layer("c", NAN, **NOTHING)]
    found = cells(pd.DataFrame(rows))
    assert {len(HEAD)} == set(map(len, found))
    assert found[0] == [
        "a", "32", "3", "0.41", "0.00", "0.20 [0.15, 0.25]", "0.004", "more than shuffled",
    ]  # fmt: skip
    assert found[1][2] == "2.5"
    assert found[1][-1] == "no more than shuffled"
    assert found[2][3:] == ["", "", "", "", "no pair to compare"]


def test_tasks_and_methods_come_one_by_one():
    rows = [layer("a", 0.1, shot=shot, method=m) for shot in (5, 1) for m in ("grouped", "mine")]
    found = [(title, method, len(part)) for title, method, part in methods_of(pd.DataFrame(rows))]
    one, five = "10 classes, 1 shot", "10 classes, 5 shots"
    assert found == [(one, "grouped", 1), (one, "mine", 1), (five, "grouped", 1), (five, "mine", 1)]
    assert list(methods_of(pd.DataFrame())) == []

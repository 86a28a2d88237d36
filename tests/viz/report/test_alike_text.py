"""What a report says about the neurons of groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
from summary_rows import NAN, TASK, summary_row

from kshot_viz.viz.report.alike_text import HEAD, cells, methods_of, null_sentences, verdicts


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


@dataclass(frozen=True)
class Compared:
    """Groups beside their null."""

    row: dict[str, Any]
    methods: tuple[str, ...] = ("plain", "grouped", "shuffled")

    @property
    def settings(self) -> pd.DataFrame:
        return pd.DataFrame({"method": self.methods})

    def summary(self, *, reference: str) -> pd.DataFrame:
        assert reference == "shuffled"
        return pd.DataFrame([summary_row("plain"), self.row])


@pytest.mark.parametrize(
    ("difference", "low", "p", "verdict"),
    [
        (0.02, 0.01, 0.01, "sharing among these neurons helps, compared with random ones."),
        (-0.02, -0.03, 0.01, "sharing among these neurons harms, compared with random ones."),
        (0.02, -0.01, 0.01, "no clear sign that it matters which neurons share a group."),
        (0.02, 0.01, 0.2, "no clear sign that it matters which neurons share a group."),
    ],
)
def test_groups_are_compared_with_shuffled_ones(difference, low, p, verdict):
    high = difference + 0.005
    row = summary_row(difference=difference, difference_low=low, difference_high=high, p_value=p)
    (text,) = null_sentences(Compared(row))
    assert text.startswith("10 classes, 1 shot: in accuracy, groups differ from shuffled groups by")
    assert text.endswith(verdict)
    assert f"p = {p:.3f}, n = 20" in text


def test_one_episode_or_no_null_shows_nothing():
    once = summary_row(difference_low=NAN, difference_high=NAN, p_value=NAN)
    (text,) = null_sentences(Compared(once))
    assert text.endswith("by +0.9 points in one episode, which shows nothing.")
    assert null_sentences(Compared(once, ("plain", "grouped"))) == []

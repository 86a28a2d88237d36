"""What a comparison prints: the finding, a table, and what must stand under it."""

from __future__ import annotations

import pandas as pd
import pytest
from small_comparison import hand_made

from kshot_viz.study.overview import overview_html, overview_text


def row(method: str, difference: float, low: float, high: float, p: float) -> dict:
    return {
        "data": "toy",
        "backbone": "net",
        "way": 3,
        "shot": 1,
        "method": method,
        "accuracy": 0.7 + difference,
        "low": 0.6,
        "high": 0.8,
        "n": 20,
        "steps": 40,
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "adjusted_low": low,
        "adjusted_high": high,
        "p_value": p,
        "p_holm": p,
    }


NAN = float("nan")
FROM_LETTERS = {"source": "letters", "groups_from": "source"}
PLAIN = row("plain", 0.0, NAN, NAN, NAN)
CLEAR = row("grouped", 0.05, 0.02, 0.08, 0.001)
VAGUE = row("head_only", -0.03, -0.08, 0.02, 0.3)


def test_the_table_is_aligned():
    text = overview_text(pd.DataFrame([CLEAR, PLAIN, VAGUE]), FROM_LETTERS)
    lines = text.splitlines()
    assert lines[0].startswith("3 classes, 1 shot: groups scored 5.0 points above plain")
    table = [line for line in lines if line.startswith(("method", "head_only", "plain", "grouped"))]
    assert [line.split()[0] for line in table] == ["method", "head_only", "plain", "grouped"]
    assert "+5.0 [+2.0, +8.0] *" in text
    nothing = overview_text(pd.DataFrame([PLAIN, VAGUE | {"difference": -0.0001}]), FROM_LETTERS)
    assert "  0.0 [-8.0, +2.0]" in nothing
    assert len({line.index("  ") > 0 for line in table}) == 1
    assert "Groups were formed from letters, never a query." in lines[-1]


@pytest.mark.parametrize("shots", [(1,), (1, 5)])
def test_a_comparison_prints_all_of_it(shots):
    found = hand_made(shots=shots)
    for shown in (repr(found), found._repr_html_()):
        for shot in shots:
            assert f"classes, {shot} shot" in shown
        assert "no method differs clearly from plain fine-tuning" in shown
        assert "reference" in shown
        assert found.note in shown.replace("&#x27;", "'")
    assert repr(found).startswith("Comparison of ['plain', 'grouped', 'head_only']")


def test_names_are_escaped_and_those_that_run_from_right_to_left_stay_together():
    rows = pd.DataFrame([PLAIN, CLEAR | {"method": "<i>x"}, VAGUE | {"method": "שלום"}])
    shown = overview_html(rows, {"source": "<b>", "groups_from": "source"})
    assert "<i>" not in shown
    assert "<b>" not in shown
    assert "\u2068שלום\u2069" in shown

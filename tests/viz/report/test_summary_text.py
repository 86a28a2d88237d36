"""Findings and tables of a comparison as text."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from kshot_viz.study.footer import footer
from kshot_viz.viz.report.choice_notes import choice_notes
from kshot_viz.viz.report.summary_text import summary_markdown, summary_text


def test_columns_are_aligned_and_fit_a_terminal(make: Callable) -> None:
    text = summary_text(make())
    lines = text.splitlines()
    start = lines.index("10 classes, 1 shot, 20 test episodes")
    table = lines[start + 2 : start + 9]
    assert table[0].split()[0] == "method"
    assert len({line.index("7") for line in table[1:]}) == 1
    assert len({len(line) for line in table}) == 1
    assert max(map(len, lines)) <= 84
    assert text.isascii()


def test_the_text_has_findings_tables_and_footer(make: Callable) -> None:
    text = summary_text(make())
    order = ["no method differs clearly", "1 shot, 20 test", "5 shots, 20 test", "654 labelled"]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
    assert "clear of zero" not in text


def test_clear_rows_are_explained(make: Callable, row: Callable) -> None:
    clear = row(difference=0.03, difference_low=0.02, difference_high=0.04, p_holm=0.001)
    comparison = make(rows=pd.DataFrame([row("plain"), clear]))
    for text in (summary_text(comparison), summary_markdown(comparison)):
        assert "clear of zero: the interval of the difference, adjusted" in text.replace("\n", " ")
    assert "+3.0 [+2.0, +4.0] *" in summary_text(comparison)


def test_markdown_is_one_table_a_task(make: Callable) -> None:
    lines = summary_markdown(make(methods=("plain", "a|b*"))).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert len(tables) == 2 * (2 + 2)
    assert {line.replace("\\|", "").count("|") for line in tables} == {7}
    assert any("a\\|b\\*" in line for line in tables)
    assert "**10 classes, 5 shots, 20 test episodes**" in lines


def test_the_footer_says_what_the_numbers_stand_on(make: Callable) -> None:
    text = " ".join(footer(make().manifest))
    assert "chosen on 6 tuning episodes" in text
    assert "654 labelled target images beyond the k shots" in text
    assert "20 test episodes in all, scored on 1,014 distinct images" in text
    assert "used 2.8 times" in text
    assert "Holm" in text
    assert "Warning" not in text


def test_how_sure_a_choice_is_is_said_as_a_difference(make: Callable) -> None:
    text = choice_notes(make(methods=("plain", "grouped"), shots=(1,)).settings)[0]
    assert text == (
        "10 classes, 1 shot: on 6 tuning episodes, accuracy at the chosen step size minus that at "
        "the best other step size, in points: plain +1.0, groups +1.0."
    )


def test_a_name_from_right_to_left_stays_together_in_a_note(make: Callable) -> None:
    text = choice_notes(make(methods=("plain", "\u05e9\u05dc"), shots=(1,)).settings)[0]
    assert "\u2068\u05e9\u05dc\u2069 +1.0" in text


def test_heavy_reuse_is_warned_of(make: Callable) -> None:
    assert footer({**make().manifest, "query_reuse": 9.0})[-1].startswith("Warning")


def test_other_ways_of_tuning_are_said(make: Callable) -> None:
    source = footer({**make().manifest, "tune": "source", "labels_used_for_tuning": 0})
    assert "No target label beyond the k shots was used" in source[0]
    assert footer({**make().manifest, "tune": None})[0].startswith("Nothing was tuned")

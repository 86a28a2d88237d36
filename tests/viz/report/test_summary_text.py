"""Findings and tables of a comparison as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from kshot_viz.study.footer import footer
from kshot_viz.viz.report.summary_text import headlines, summary_markdown, summary_text

NAN = float("nan")
CLEAR = {"difference": 0.031, "difference_low": 0.021, "difference_high": 0.041, "p_holm": 0.004}


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


def headline(*rows: dict[str, Any]) -> str:
    (line,) = headlines(pd.DataFrame(list(rows)))
    return line


def test_a_clear_difference_is_said_with_size_interval_and_p(row: Callable) -> None:
    text = headline(row("plain"), row(**CLEAR), row("last_block"))
    assert text == (
        "10 classes, 1 shot: groups scored 3.1 points above plain (95 % interval +2.1 to +4.1, "
        "adjusted p = 0.004, n = 20). No clear difference for last block."
    )


def test_a_loss_is_said_like_a_gain(row: Callable) -> None:
    loss = {"difference": -0.02, "difference_low": -0.03, "difference_high": -0.01, "p_holm": 1e-5}
    text = headline(row("plain"), row("shuffled", **CLEAR), row(**loss))
    assert "groups scored 2.0 points below plain" in text
    assert "adjusted p < 0.001" in text
    assert text.index("shuffled groups") < text.index("; groups")
    assert "No clear difference" not in text


def test_it_is_said_that_nothing_is_clear(row: Callable) -> None:
    text = headline(row("plain"), row(), row("shuffled", difference=-0.011))
    assert "no method differs clearly from plain fine-tuning" in text
    assert "The largest difference is that of shuffled groups: -1.1 points" in text
    assert "could not have shown" not in text


def test_few_episodes_cannot_show_anything(row: Callable) -> None:
    text = headline(row("plain", n=5), row(n=5))
    assert "With n = 5 this test could not have shown any difference" in text


def test_the_null_grouping_is_named_when_it_does_the_same(row: Callable) -> None:
    both = headline(row("plain"), row(**CLEAR), row("shuffled", **CLEAR))
    assert "shuffled members differ from plain in the same direction" in both
    alone = headline(row("plain"), row(**CLEAR), row("shuffled"))
    assert "shuffled members" not in alone


def test_without_reference_or_rivals_nothing_is_claimed(row: Callable) -> None:
    unknown = {"difference": NAN, "difference_low": NAN, "difference_high": NAN, "p_value": NAN}
    assert "plain fine-tuning was not compared" in headline(row(**unknown, p_holm=NAN))
    assert "only plain fine-tuning was run" in headline(row("plain"))
    text = headline(row("plain"), row(**unknown, p_holm=NAN))
    assert text.endswith("no method differs clearly from plain fine-tuning.")


def test_every_task_has_its_sentence(make: Callable) -> None:
    lines = headlines(make(shots=(1, 5)).summary())
    assert [line.split(":")[0] for line in lines] == ["10 classes, 1 shot", "10 classes, 5 shots"]


def test_the_footer_says_what_the_numbers_stand_on(make: Callable) -> None:
    text = " ".join(footer(make().manifest))
    assert "chosen on 6 tuning episodes" in text
    assert "654 labelled target images beyond the k shots" in text
    assert "20 test episodes in all, scored on 1,014 distinct images" in text
    assert "used 2.8 times" in text
    assert "Holm" in text
    assert "Warning" not in text


def test_heavy_reuse_is_warned_of(make: Callable) -> None:
    assert footer({**make().manifest, "query_reuse": 9.0})[-1].startswith("Warning")


def test_other_ways_of_tuning_are_said(make: Callable) -> None:
    source = footer({**make().manifest, "tune": "source", "labels_used_for_tuning": 0})
    assert "No target label beyond the k shots was used" in source[0]
    assert footer({**make().manifest, "tune": None})[0].startswith("Nothing was tuned")


def test_differences_that_round_to_zero_have_no_largest_one(row: Callable) -> None:
    text = headline(row("plain"), row(difference=0.0), row("shuffled", difference=-1e-5))
    assert "Every difference is below 0.1 points." in text
    assert "largest" not in text

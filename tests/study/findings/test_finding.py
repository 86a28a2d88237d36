"""One wording of what a comparison found, for terminal, notebook, report and dashboard."""

from __future__ import annotations

from typing import Any

import pandas as pd
from summary_rows import CLEAR, NAN, summary_row

from kshot_viz.study.findings.finding import finding, findings, listed, p_phrase
from kshot_viz.study.footer import doubt
from kshot_viz.study.overview import overview_text

SHARED = {"query_reuse": 9.0}


def headline(*rows: dict[str, Any]) -> str:
    (line,) = findings(pd.DataFrame(list(rows)), {})
    return line


def test_a_clear_difference_is_said_with_size_interval_and_p() -> None:
    text = headline(summary_row("plain"), summary_row(**CLEAR), summary_row("last_block"))
    assert text == (
        "10 classes, 1 shot: groups scored 3.1 points above plain (95 % interval +2.1 to +4.1, "
        "adjusted p = 0.004, n = 20). No clear difference for last block."
    )


def test_what_weakens_a_finding_stands_in_its_sentence() -> None:
    rows = pd.DataFrame([summary_row("plain"), summary_row(**CLEAR), summary_row("last_block")])
    (text,) = findings(rows, SHARED)
    assert (
        "n = 20); the episodes share their images, so this is too sure. No clear difference" in text
    )
    (text,) = findings(rows, SHARED | {"fewest_test": 8})
    assert "; the episodes are few and share their images, so this is too sure." in text
    vague = pd.DataFrame([summary_row("plain"), summary_row()])
    assert "too sure" not in findings(vague, SHARED)[0]


def test_a_loss_is_said_like_a_gain() -> None:
    loss = {"difference": -0.02, "difference_low": -0.03, "difference_high": -0.01, "p_holm": 1e-5}
    text = headline(summary_row("plain"), summary_row("shuffled", **CLEAR), summary_row(**loss))
    assert "groups scored 2.0 points below plain" in text
    assert "adjusted p < 0.001" in text
    assert text.index("shuffled groups") < text.index("; groups")
    assert "No clear difference" not in text


def test_it_is_said_that_nothing_is_clear() -> None:
    text = headline(summary_row("plain"), summary_row(), summary_row("shuffled", difference=-0.011))
    assert "no method differs clearly from plain fine-tuning" in text
    assert "The largest difference is that of shuffled groups: -1.1 points" in text
    assert "could not have shown" not in text


def test_few_episodes_cannot_show_anything() -> None:
    text = headline(summary_row("plain", n=5), summary_row(n=5))
    assert "With n = 5 this test could not have shown any difference" in text


def test_the_null_grouping_is_named_when_it_does_the_same() -> None:
    both = headline(summary_row("plain"), summary_row(**CLEAR), summary_row("shuffled", **CLEAR))
    assert "shuffled members differ from plain in the same direction" in both
    alone = headline(summary_row("plain"), summary_row(**CLEAR), summary_row("shuffled"))
    assert "shuffled members" not in alone


def test_without_reference_or_rivals_nothing_is_claimed() -> None:
    unknown = {"difference": NAN, "difference_low": NAN, "difference_high": NAN, "p_value": NAN}
    assert "plain fine-tuning was not compared" in headline(summary_row(**unknown, p_holm=NAN))
    assert "only plain fine-tuning was run" in headline(summary_row("plain"))
    text = headline(summary_row("plain"), summary_row(**unknown, p_holm=NAN))
    assert text.endswith("no method differs clearly from plain fine-tuning.")


def test_every_task_has_its_sentence() -> None:
    lines = findings(
        pd.DataFrame(
            [summary_row(one, shot=shot) for shot in (1, 5) for one in ("plain", "grouped")]
        ),
        {},
    )
    assert [line.split(":")[0] for line in lines] == ["10 classes, 1 shot", "10 classes, 5 shots"]


def test_differences_that_round_to_zero_have_no_largest_one() -> None:
    text = headline(
        summary_row("plain"), summary_row(difference=0.0), summary_row("shuffled", difference=-1e-5)
    )
    assert "Every difference is below 0.1 points." in text
    assert "largest" not in text


def test_several_that_are_only_almost_clear_share_a_sentence():
    almost = CLEAR | {"p_holm": 0.2, "adjusted_low": -0.001, "adjusted_high": 0.06}
    text = headline(summary_row("plain"), summary_row(**almost), summary_row("bitfit", **almost))
    assert text.count("the 95 % intervals exclude zero") == 1
    assert "groups and biases" in text or "groups and bitfit" in text
    alone = headline(summary_row("plain"), summary_row(**almost))
    assert "adjusted for the number of rivals it is -0.1 to +6.0 with adjusted p = 0.200" in alone


def test_data_and_network_are_named_where_they_differ():
    rows = [summary_row(one, data=data) for data in ("a", "b") for one in ("plain", "grouped")]
    first, second = findings(pd.DataFrame(rows), {})
    assert first.startswith("a, glyphnet, 10 classes, 1 shot: ")
    assert second.startswith("b, glyphnet, ")


def test_a_notebook_prints_the_same_words():
    rows = [summary_row("plain"), summary_row(**CLEAR), summary_row("shuffled", **CLEAR)]
    printed = overview_text(pd.DataFrame(rows), SHARED).replace("\n", " ")
    assert finding(rows, doubt(SHARED)) in printed


def test_words_are_joined_and_small_p_are_bounded():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert p_phrase(0.0001) == "p < 0.001"
    assert p_phrase(NAN, "adjusted p") == "adjusted p = unknown"

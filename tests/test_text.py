from __future__ import annotations

import pytest

from kshot_viz.text import (
    counted,
    duration,
    html_details,
    html_table,
    interval_text,
    isolated,
    listed,
    minutes_text,
    points_interval,
    points_range,
    time_left,
    wrapped,
)


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0 shots"), (1, "1 shot"), (2, "2 shots"), (12345, "12,345 shots")]
)
def test_plurals(n, text):
    assert counted(n, "shot") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 second"), (40, "40 seconds"), (200, "3 minutes"), (9000, "2.5 hours")],
)
def test_durations_are_words(seconds, text):
    assert duration(seconds) == text


def test_the_time_left_has_minutes_and_seconds_or_hours():
    assert [time_left(one) for one in (0.4, 59.6, 125, 3599, 3600, 12600)] == [
        "about 0:00 left",
        "about 1:00 left",
        "about 2:05 left",
        "about 59:59 left",
        "about 1.0 hours left",
        "about 3.5 hours left",
    ]


def test_minutes_are_those_that_were_given():
    assert [minutes_text(one) for one in (1.0, 0.5, 90)] == [
        "1 minute",
        "0.5 minutes",
        "90 minutes",
    ]


def test_names_are_listed_as_in_a_sentence():
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == [
        "a", "a and b", "a, b and c",
    ]  # fmt: skip


def test_a_difference_has_its_interval_in_points():
    assert points_interval(0.009, -0.004, 0.022) == "+0.9 [-0.4, +2.2]"
    assert points_interval(-0.0001, float("nan"), float("nan")) == "0.0"
    assert points_range(-0.004, 0.022) == "-0.4 to +2.2"


def test_what_rounds_to_zero_has_no_sign():
    assert interval_text(-0.01, -0.04, 0.01, "+.1f") == "0.0 [0.0, 0.0]"
    assert interval_text(0.3, -0.04, 0.6, "+.1f", " %") == "+0.3 % [0.0, +0.6]"


def test_a_percent_sign_stays_with_its_number():
    assert wrapped("bars are 95 % intervals", 11) == ["bars are", "95 %", "intervals"]
    assert wrapped("one two three", 9, "- ") == ["- one two", "  three"]


def test_a_table_escapes_every_cell():
    table = html_table(("<layer>", "n"), [("a & b", 3)])
    assert table == (
        "<table><thead><tr><th>&lt;layer&gt;</th><th>n</th></tr></thead>"
        "<tbody><tr><td>a &amp; b</td><td>3</td></tr></tbody></table>"
    )
    assert html_details("<x>", "").startswith("<details open><summary>&lt;x&gt;</summary>")
    assert html_details("x", "", opened=False).startswith("<details><summary>")


def test_names_that_run_from_right_to_left_are_isolated():
    assert isolated("cat 3 (big)") == "cat 3 (big)"
    assert isolated("חתול") == "\u2068חתול\u2069"
    assert isolated("قط 3") == "\u2068قط 3\u2069"
    assert isolated("a\u202eb") == "\u2068a\u202eb\u2069"

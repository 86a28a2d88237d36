from __future__ import annotations

from kshot_viz.viz.style.intervals import count_range, interval_text, p_text, points, shortened

NAN = float("nan")


def test_intervals_are_written_where_they_are_known() -> None:
    assert interval_text(71.42, 70.1, 72.6, ".1f") == "71.4 [70.1, 72.6]"
    assert interval_text(-1.0, -2.0, 0.5, "+.1f", " %") == "-1.0 % [-2.0, +0.5]"
    assert interval_text(71.42, NAN, NAN, ".1f", " %") == "71.4 %"


def test_small_numbers() -> None:
    assert [points(x) for x in (0.0, -0.0001, 0.0004, -0.012)] == ["0.0", "0.0", "0.0", "-1.2"]
    assert [p_text(p) for p in (NAN, 0.0001, 0.0123, 1.0)] == ["", "<0.001", "0.012", "1.000"]


def test_counts_that_differ_are_a_range() -> None:
    assert count_range([6, 6], "episode") == "6 episodes"
    assert count_range([5, 6], "episode") == "5 to 6 episodes"


def test_long_names_are_shortened() -> None:
    assert shortened("letter_tray", 8) == "letter_\u2026"
    assert shortened("mug", 8) == "mug"

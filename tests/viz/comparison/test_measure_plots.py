"""Figures of measures, and of accuracy as in the summary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from small_comparison import hand_made

from kshot_viz.errors import KShotValueError
from kshot_viz.viz.comparison.measure_plots import number_text, plot_accuracy, plot_measure
from kshot_viz.viz.comparison.measures import accuracy_frame
from kshot_viz.viz.style.canvas import figure_of

LABELS = ["head only", "last block", "plain", "groups", "shuffled groups", "weight groups"]


def test_several_shots_are_lines_and_one_is_rows_with_numbers():
    lines = plot_measure(hand_made())
    assert [text.get_text() for text in lines.get_xticklabels()] == ["1", "5"]
    rows = plot_measure(hand_made(shots=(1,)), paired=True)
    assert [text.get_text() for text in rows.get_yticklabels()] == ["head only", "groups"]
    assert "difference to plain, points" in rows.get_xlabel()


def test_numbers_have_their_interval_and_their_test():
    row = {"value": 1.25, "low": -0.5, "high": 3.0, "p_holm": 0.25}
    assert number_text(row, paired=True) == "+1.2 [-0.5, +3.0], 0.250"
    nan = float("nan")
    assert number_text(row | {"low": nan, "p_holm": nan}, paired=False) == "1.2"


def test_several_shots_are_lines_with_a_legend_beside(make: Callable) -> None:
    ax = plot_accuracy(make())
    figure_of(ax).draw_without_rendering()
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == LABELS
    assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "5"]
    assert "20 test episodes" in ax.texts[0].get_text()


def test_many_methods_are_rows_with_a_mark_for_each_number_of_shots(make: Callable) -> None:
    methods = ("plain", *(f"x{i}" for i in range(8)))
    ax = plot_accuracy(make(methods=methods))
    figure_of(ax).draw_without_rendering()
    assert [label.get_text() for label in ax.get_yticklabels()] == list(methods)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["1 shot", "5 shots"]
    one, five = (np.array(part[0].get_ydata(), dtype=float) for part in ax.containers)
    assert np.round(one).tolist() == np.round(five).tolist() == list(range(9))
    assert (one < five).all()
    assert ax.get_title(loc="left") == "Accuracy, 10 classes"
    assert ax.get_xlabel() == "accuracy, %"


def test_rows_of_paired_differences_have_a_line_at_zero_and_no_reference() -> None:
    few = hand_made(shots=(1, 5))

    def with_copies(table: pd.DataFrame) -> pd.DataFrame:
        grouped = table[table["method"] == "grouped"]
        copies = (grouped.assign(method=f"x{i}") for i in range(9))
        return pd.concat([table, *copies], ignore_index=True)

    many = replace(few, frame=with_copies(few.frame), settings=with_copies(few.settings))
    ax = plot_measure(many, paired=True)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert "plain" not in names
    assert len(names) > 9
    assert "difference to plain, points" in ax.get_xlabel()


def test_bars_are_the_intervals(make: Callable) -> None:
    ax = plot_accuracy(make(methods=("plain", "grouped")))
    for container in ax.containers:
        ends = np.concatenate([segment[:, 1] for segment in container[2][0].get_segments()])
        assert ends.tolist() == pytest.approx([70.1, 72.6] * 2)


def test_methods_at_the_same_shot_do_not_cover_each_other(make: Callable) -> None:
    ax = plot_accuracy(make())
    drawn = np.array([container[0].get_xdata() for container in ax.containers])
    assert len(np.unique(drawn[:, 0])) == 6
    assert drawn[:, 0].max() < drawn[:, 1].min()


def test_one_shot_is_a_row_for_each_method(make: Callable) -> None:
    ax = plot_accuracy(make(shots=(5,)))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == LABELS
    assert ax.get_legend() is None
    texts = [text.get_text() for text in ax.texts]
    assert texts.count("+0.9 [-0.4, +2.2]") == 5
    assert "reference" in texts
    assert ax.get_title(loc="left") == "Accuracy, 10 classes, 5 shots"


def test_of_several_ways_one_must_be_given(make: Callable, row: Callable) -> None:
    rows = pd.DataFrame([row("plain", way=5), row("plain", way=10, accuracy=0.5)])
    both = make(rows=rows)
    with pytest.raises(KShotValueError, match="`way` must be given"):
        plot_accuracy(both)
    assert accuracy_frame(both, 10)["value"].tolist() == [50.0]


@pytest.mark.slow
@given(
    shots=st.sets(st.integers(1, 50), min_size=1, max_size=4),
    methods=st.sets(st.sampled_from(["plain", "grouped", "x", "y_2", r"$\z$"]), min_size=1),
    interval=st.booleans(),
)
def test_any_comparison_can_be_drawn(
    make: Callable, shots: set[int], methods: set[str], interval: bool
) -> None:
    comparison = make(shots=tuple(shots), methods=tuple(methods))
    if not interval:
        comparison.rows[["low", "high", "difference_low", "difference_high"]] = np.nan
    ax = Figure().add_subplot()
    assert plot_accuracy(comparison, ax=ax) is ax
    figure_of(ax).draw_without_rendering()


@pytest.mark.parametrize("shots", [[1], [1, 5]])
@pytest.mark.parametrize(("accuracy", "drawn"), [(0.15, True), (0.7, False)])
def test_chance_is_drawn_where_it_is_near(
    row: Callable, make: Callable, shots: list[int], accuracy: float, drawn: bool
) -> None:
    rows = pd.DataFrame(
        row(method, shot=shot, accuracy=accuracy, low=accuracy - 0.02, high=accuracy + 0.02)
        for shot in shots
        for method in ("plain", "grouped")
    )
    ax = plot_accuracy(make(rows=rows))
    assert ("chance" in [text.get_text() for text in ax.texts]) == drawn

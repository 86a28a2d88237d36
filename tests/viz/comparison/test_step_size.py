from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pandas as pd
import pytest
from matplotlib.figure import Figure

from kshot_viz.errors import KShotValueError
from kshot_viz.viz.comparison.step_size import (
    _chosen_frame,
    _side_by_side,
    _spread,
    plot_step_size,
    step_size_frame,
)
from kshot_viz.viz.style.canvas import figure_of


def test_the_frame_holds_one_task_in_percent(make: Callable) -> None:
    frame = step_size_frame(make(methods=("plain", "grouped")), None, 5)
    assert set(frame["shot"]) == {5}
    assert len(frame) == 6
    plain = frame[frame["method"] == "plain"]
    assert plain["accuracy"].tolist() == pytest.approx([70, 68, 10])
    assert plain["diverged"].tolist() == [0, 0, 0.5]


def test_the_smallest_shot_is_drawn_by_default(make: Callable) -> None:
    assert set(step_size_frame(make(shots=(5, 1, 20)), None, None)["shot"]) == {1}
    with pytest.raises(KShotValueError, match=r"`shot` must be one of \[1, 5\]; not 3"):
        plot_step_size(make(), shot=3)


def test_chosen_settings_have_their_own_accuracy_and_that_of_the_line(make: Callable) -> None:
    comparison = make(methods=("head_only", "plain"))
    chosen = _chosen_frame(comparison, step_size_frame(comparison, None, None))
    assert chosen["method"].tolist() == ["head_only", "plain"]
    assert chosen["accuracy"].tolist() == pytest.approx([72, 72])
    assert chosen["on_line"].tolist() == pytest.approx([68, 68])


def test_stars_at_the_same_step_size_stand_side_by_side() -> None:
    chosen = pd.DataFrame({"method": ["b", "a", "c"], "step_size": [0.01, 0.01, 0.1]})
    drawn = _side_by_side(chosen, ["a", "b", "c"])
    assert drawn[1] < 0.01 < drawn[0]
    assert drawn[0] * drawn[1] == pytest.approx(1e-4)
    assert drawn[2] == 0.1


def test_hollow_markers_are_runs_that_diverged(make: Callable) -> None:
    ax = plot_step_size(make(methods=("plain", "grouped")))
    hollow = [
        line
        for line in ax.lines
        if line.get_marker() == "o" and line.get_markerfacecolor() == ax.get_facecolor()
    ]
    assert [line.get_xdata().tolist() for line in hollow] == [[0.03]]
    assert "some runs diverged" in [text.get_text() for text in ax.get_legend().get_texts()]
    assert "up to 50 % of the runs of a point diverged" in ax.texts[-1].get_text().replace(
        "\n", " "
    )


def test_without_divergence_the_note_has_none(make: Callable) -> None:
    ax = plot_step_size(make(methods=("grouped", "shuffled")))
    assert "some runs diverged" not in [text.get_text() for text in ax.get_legend().get_texts()]
    assert "diverged" not in ax.texts[-1].get_text()


def test_the_figure_says_how_many_episodes_and_steps(make: Callable) -> None:
    ax = plot_step_size(make(), shot=5)
    assert "6 tuning episodes, after 40 steps" in ax.texts[-1].get_text().replace("\n", " ")
    assert ax.get_title(loc="left") == "Accuracy against step size, 10 classes, 5 shots"
    assert ax.get_xscale() == "log"
    assert "of the head" in ax.get_xlabel()


def test_step_sizes_are_written_as_plain_numbers_without_overlap(make: Callable) -> None:
    ax = plot_step_size(make())
    figure_of(ax).draw_without_rendering()
    labels = [label for label in ax.get_xticklabels() if label.get_text()]
    assert [label.get_text() for label in labels][:3] == ["0.0003", "0.003", "0.01"]
    boxes = [label.get_window_extent() for label in labels]
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))


def test_close_step_sizes_share_a_label() -> None:
    assert _spread([0.001, 0.0011, 0.0012, 0.01]) == [0.001, 0.01]


def test_a_comparison_without_tuning_is_refused(make: Callable) -> None:
    with pytest.raises(KShotValueError, match="tuned nothing"):
        plot_step_size(make(line=pd.DataFrame()))


def test_given_axes_are_used_and_one_step_size_is_enough(make: Callable) -> None:
    comparison = make(shots=(1,), methods=("plain",))
    ax = Figure().add_subplot()
    alone = make(line=comparison.line[1:2], settings=comparison.settings)
    assert plot_step_size(alone, ax=ax) is ax
    figure_of(ax).draw_without_rendering()

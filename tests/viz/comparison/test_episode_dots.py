"""Values of single episodes as dots."""

from __future__ import annotations

import numpy as np
import pytest
from small_comparison import ANSWERS, RIGHT, hand_made

from kshot_viz.viz.comparison.episode_dots import episodes_frame, plot_episodes, stacked


def test_differences_are_taken_episode_by_episode():
    frame = episodes_frame(hand_made(), shot=5).set_index(["method", "episode"])["value"]
    assert frame["grouped"].tolist() == pytest.approx([100 / 6, -100 / 6, 100 / 6])
    assert "plain" not in frame.index.get_level_values("method")


def test_unpaired_dots_are_the_accuracies_of_the_rows():
    comparison = hand_made()
    frame = episodes_frame(comparison, paired=False, methods=["plain"])
    rows = comparison.frame.query("method == 'plain' and pool == 'test' and shot == 1")
    assert frame["value"].tolist() == pytest.approx((100 * rows["accuracy"]).tolist())


def test_the_reference_alone_is_drawn_as_itself():
    frame = episodes_frame(hand_made(), methods=["plain"])
    assert set(frame["method"]) == {"plain"}
    assert (frame["value"] == 0).all()


def test_the_figure_counts_episodes_that_went_up_and_down():
    texts = [text.get_text() for text in plot_episodes(hand_made(), methods=["grouped"]).texts]
    assert "2 up, 1 down, 0 equal" in texts
    assert any(text.startswith("+5.6 [") for text in texts)


def test_dots_stand_where_their_values_are():
    ax = plot_episodes(hand_made(), methods=["grouped"])
    drawn = np.asarray(ax.collections[0].get_offsets())[:, 0]
    assert sorted(drawn) == pytest.approx([-100 / 6, 100 / 6, 100 / 6])


def test_equal_dots_are_stacked_within_their_row():
    moved = stacked(np.zeros(40), 0.0)
    assert len(set(moved)) == 40
    assert np.abs(moved).max() <= 0.3
    assert stacked(np.array([0.0, 10.0]), 10.0).tolist() == [0, 0]
    assert stacked(np.array([]), 0.0).size == 0


def test_diverged_runs_are_counted_in_the_note():
    comparison = hand_made(answers={**ANSWERS, "grouped": (RIGHT, (), RIGHT)})
    texts = [text.get_text() for text in plot_episodes(comparison, "support_loss").texts]
    assert any("2 test episodes" in text or "2 to 3 test episodes" in text for text in texts)
    assert any("1 run diverged" in " ".join(text.split()) for text in texts)


def test_a_single_episode_is_drawn_without_an_interval():
    one = {name: each[:1] for name, each in ANSWERS.items()}
    plot_episodes(hand_made(answers=one)).figure.canvas.draw()

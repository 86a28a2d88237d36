"""Images for which two methods predicted different classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_comparison import hand_data, hand_made

from kshot_viz.errors import KShotValueError
from kshot_viz.viz.comparison.changed_predictions import changed_frame, changes_frame, plot_changed
from kshot_viz.viz.style.thumbnails import thumbnail


def test_every_change_is_one_row():
    frame = changed_frame(hand_made())
    found = [tuple(row) for row in frame.itertuples(index=False)]
    assert found == [
        ("now right", "test/0", 1, "c0", "c1", "c0"),
        ("now right", "test/2", 29, "c2", "c0", "c2"),
        ("now wrong", "test/1", 3, "c0", "c0", "c1"),
    ]
    assert frame.attrs["predictions"] == 18


def test_changes_are_counted_with_their_intervals():
    frame = changes_frame(hand_made()).set_index("change")
    assert frame["count"].tolist() == [2, 1, 0]
    assert frame.loc["now right", "share"] == pytest.approx(100 * 2 / 18)
    assert frame.loc["now right", ["low", "high"]].tolist() == pytest.approx([0, 100 / 6])
    assert frame.loc["still wrong", ["low", "high"]].tolist() == [0, 0]


def test_right_minus_wrong_is_the_difference_of_the_accuracies():
    comparison = hand_made()
    counts = changes_frame(comparison).set_index("change")["share"]
    summary = comparison.summary().query("shot == 1").set_index("method")
    gain = 100 * summary.loc["grouped", "difference"]
    assert counts["now right"] - counts["now wrong"] == pytest.approx(gain)


def test_backwards_right_and_wrong_are_swapped():
    there = changes_frame(hand_made(), "plain", "grouped").set_index("change")["count"]
    back = changes_frame(hand_made(), "grouped", "plain").set_index("change")["count"]
    assert there["now right"] == back["now wrong"]


def test_the_picture_shows_the_images_that_changed():
    ax = plot_changed(hand_made())
    texts = [text.get_text() for text in ax.texts]
    assert any(text.startswith("Now right: 2 predictions, 11.1 % [") for text in texts)
    assert "c0\nwas c1\nnow c0" in texts
    picture, first = np.asarray(ax.images[0].get_array()), hand_data().images[1]
    np.testing.assert_allclose(picture[38:102, 4:68, :3], thumbnail(first, 64))


def test_an_image_that_changed_in_two_episodes_is_drawn_once():
    comparison = hand_made(
        answers={"plain": ((0, 1, 1, 1, 2, 2),) * 2, "grouped": ((0, 0, 1, 1, 2, 2),) * 2}
    )
    for key, one in comparison.episodes.items():
        if one.index == 1:
            twin = comparison.episodes[key.replace("test/1", "test/0")]
            comparison.episodes[key] = replace(one, query=twin.query, support=twin.support)
    texts = [text.get_text() for text in plot_changed(comparison).texts]
    assert "c0 x2\nwas c1\nnow c0" in texts


def test_nothing_changed_is_a_picture_too():
    same = hand_made(answers={"plain": ((0, 0, 1, 1, 2, 2),), "grouped": ((0, 0, 1, 1, 2, 2),)})
    texts = [text.get_text() for text in plot_changed(same).texts]
    assert "Now right: 0 predictions, 0.0 %" in texts


def test_a_loaded_comparison_needs_its_images():
    comparison = hand_made(loaded=True)
    with pytest.raises(KShotValueError, match="give its data set as `data`"):
        plot_changed(comparison)
    plot_changed(comparison, data=hand_data())
    with pytest.raises(KShotValueError, match="the comparison was made on 'toy'"):
        plot_changed(comparison, data=hand_data(seed=3))


def test_a_method_is_not_compared_with_itself():
    with pytest.raises(KShotValueError, match="both are 'plain'"):
        changed_frame(hand_made(), "plain", "plain")


@pytest.mark.parametrize("shape", [(8, 8, 1), (30, 90, 3), (200, 100, 3), (1, 1, 1)])
def test_thumbnails_keep_the_shape_of_their_image(shape):
    small = thumbnail(np.full(shape, 255, dtype=np.uint8), 64)
    assert small.shape == (64, 64, 3)
    white = (small == 1).all(axis=2)
    assert (white.any(axis=1).sum(), white.any(axis=0).sum()) == (
        round(64 * min(1, shape[0] / shape[1])),
        round(64 * min(1, shape[1] / shape[0])),
    )

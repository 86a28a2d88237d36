"""Confusion matrices and the predictions they count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_comparison import ANSWERS, RIGHT, hand_data, hand_made

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.viz.comparison.predictions import confusion_frame, plot_confusion, predictions_frame


def test_predictions_are_paired_with_the_class_of_their_image():
    comparison, data = hand_made(), hand_data()
    frame = predictions_frame(comparison, "plain", shot=1)
    assert len(frame) == 18
    assert (data.targets[frame["image"]] == frame["truth"]).all()
    hits = (frame["truth"] == frame["predicted"]).groupby(frame["episode"]).mean()
    rows = comparison.frame.query("method == 'plain' and pool == 'test' and shot == 1")
    assert hits.tolist() == pytest.approx(rows["accuracy"].tolist())


def test_shares_are_counted_over_all_episodes():
    frame = confusion_frame(hand_made(), "plain").set_index(["truth", "predicted"])
    assert frame["count"].sum() == 18
    assert frame.loc[("c0", "c0"), "share"] == pytest.approx(100 * 5 / 6)
    assert frame.loc[("c0", "c1"), "count"] == 1
    assert frame.loc[("c2", "c0"), "share"] == pytest.approx(100 / 6)
    assert frame.loc[("c1", "c0"), "count"] == 0
    assert (frame["n"] == 6).all()


def test_intervals_resample_whole_episodes():
    frame = confusion_frame(hand_made(), "plain").set_index(["truth", "predicted"])
    cell = frame.loc[("c0", "c0")]
    # Of three episodes one has 1 of 2 right; a resample may be that one three times, or never.
    assert cell["low"] == pytest.approx(50)
    assert cell["high"] == pytest.approx(100)
    assert frame.loc[("c1", "c0"), ["low", "high"]].tolist() == [0, 0]


def test_one_episode_has_no_interval():
    one = {name: each[:1] for name, each in ANSWERS.items()}
    frame = confusion_frame(hand_made(answers=one), "plain")
    assert frame["low"].isna().all()
    plot_confusion(hand_made(answers=one), "plain").figure.canvas.draw()


def test_the_picture_is_the_frame():
    ax = plot_confusion(hand_made(), "plain", shot=5)
    drawn = np.asarray(ax.images[0].get_array())
    assert drawn.ravel().tolist() == pytest.approx(
        confusion_frame(hand_made(), "plain", shot=5)["share"].tolist()
    )
    assert [text.get_text() for text in ax.get_yticklabels()] == ["c0", "c1", "c2"]


def test_runs_that_diverged_are_left_out_and_said():
    comparison = hand_made(answers={**ANSWERS, "plain": (RIGHT, (), RIGHT)})
    assert confusion_frame(comparison, "plain")["n"].tolist() == [4] * 9
    note = " ".join(text.get_text() for text in plot_confusion(comparison, "plain").texts)
    assert "1 run diverged" in " ".join(note.split())


def test_a_method_that_always_diverged_has_no_predictions():
    comparison = hand_made(answers={**ANSWERS, "plain": ((), (), ())})
    with pytest.raises(KShotValueError, match="made predictions: all 3 diverged"):
        confusion_frame(comparison, "plain")


def test_an_unknown_method_is_named():
    with pytest.raises(KShotKeyError, match="`method` must be one of 'head_only'"):
        confusion_frame(hand_made(), "magic")


def test_markup_in_names_of_classes_is_plain_text():
    data = hand_data()
    named = ImageDataset.from_arrays(
        data.images, data.targets, classes=["$x^2$", "<b>", "a_b"], name="odd"
    )
    ax = plot_confusion(hand_made(data=named), "plain")
    assert not ax.get_yticklabels()[0].get_parse_math()
    ax.figure.canvas.draw()


def test_queries_of_a_class_that_has_fewer_are_paired_with_their_class():
    comparison, data = hand_made(), hand_data()
    rows = comparison.frame
    for key, one in comparison.episodes.items():
        comparison.episodes[key] = replace(
            one, query=(*one.query[:1], *one.query[2:]), queries_by_class=(1, 2, 2)
        )
    comparison.frame["predicted"] = [answer[:1] + answer[2:] for answer in rows["predicted"]]
    frame = predictions_frame(comparison, "plain", shot=1)
    assert len(frame) == 15
    assert (data.targets[frame["image"]] == frame["truth"]).all()

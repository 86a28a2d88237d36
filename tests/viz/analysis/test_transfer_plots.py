"""Forest plots of a transfer grid: numbers, markers and names."""

from __future__ import annotations

import pandas as pd
import pytest
from hand_transfer import SHARES, hand_grid, hand_rows

from kshot_viz import viz
from kshot_viz.analysis.transfer.cells import start_label
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.viz.analysis.transfer import masking_frame, transfer_frame
from kshot_viz.viz.style.dark_mode import recolour


def names(ax):
    return [one.get_text() for one in ax.get_yticklabels()]


def test_frozen_and_full_stand_side_by_side():
    frame = transfer_frame(hand_grid())
    assert frame["source"].tolist() == ["near", "near", "far", "far"]
    assert set(frame["start"]) == {"frozen", "all"}
    (row,) = frame.query("source == 'near' and start == 'frozen'").to_dict("records")
    assert row["value"] == pytest.approx(25.2)
    assert row["low"] < row["value"] < row["high"]
    ax = viz.plot_transfer(hand_grid())
    assert names(ax) == ["", "near", "far"]
    shown = [one.get_text() for one in ax.get_legend().get_texts()]
    assert shown == ["features frozen", "everything fine-tuned"]
    heads = [one.get_text() for one in ax.texts]
    assert "target, 5 shots, 12 test episodes" in heads


def test_any_start_can_be_drawn():
    ax = viz.plot_transfer(hand_grid(), starts=["all", "hybrid:conv"])
    shown = [one.get_text() for one in ax.get_legend().get_texts()]
    assert shown == ["everything fine-tuned", "source up to conv"]
    # Sentences call them the same.
    assert shown == [start_label(one) for one in ("all", "hybrid:conv")]
    with pytest.raises(KShotKeyError, match="grouped"):
        viz.plot_transfer(hand_grid(), starts=["grouped"])
    rows = hand_rows()
    only = hand_grid(rows[rows["start"] != "all"])
    assert set(transfer_frame(only)["start"]) == {"frozen"}
    with pytest.raises(KShotValueError, match="no effect to draw"):
        viz.plot_transfer(hand_grid(), starts=[])


def test_a_clear_difference_is_filled():
    rows = hand_rows({**SHARES, ("far", "all"): 0.70 - 0.002})
    frame = transfer_frame(hand_grid(rows)).set_index(["source", "start"])
    assert frame["clear"].to_dict() == {
        ("near", "frozen"): True, ("near", "all"): True,
        ("far", "frozen"): True, ("far", "all"): False,
    }  # fmt: skip
    ax = viz.plot_transfer(hand_grid(rows))
    faces = [one.get_markerfacecolor() for one in ax.lines if one.get_marker() in "so"]
    assert sum(one == ax.get_facecolor() for one in faces) == 1


def test_the_masking_index_has_both_gains_beside_it():
    frame = masking_frame(hand_grid())
    assert frame["value"].tolist() == pytest.approx([20.0, -15.0])
    ax = viz.plot_masking(hand_grid())
    assert names(ax) == ["", "near", "far"]
    written = " ".join(one.get_text() for one in ax.texts)
    assert "+20.0 [+20.0, +20.0]; +25.2 frozen, +5.2 full" in written
    rows = hand_rows()
    with pytest.raises(KShotValueError, match="needs the starts"):
        viz.plot_masking(hand_grid(rows[rows["start"] != "frozen"]))


@pytest.mark.parametrize("plot", [viz.plot_transfer, viz.plot_masking])
def test_names_are_text_and_themes_change(plot, tmp_path):
    rows = hand_rows(target="a $x$ target")
    rows["source"] = rows["source"].replace("near", "$n_e$ " + "long " * 20)
    ax = plot(hand_grid(rows))
    assert names(ax)[1].endswith("\N{HORIZONTAL ELLIPSIS}")
    recolour(ax.figure, dark=True)
    assert viz.save_figure(ax, tmp_path / "grid.png").stat().st_size > 5000
    assert plot(hand_grid(rows), ax=ax) is ax


@pytest.mark.parametrize("plot", [viz.plot_transfer, viz.plot_masking])
def test_anything_else_is_refused(plot):
    with pytest.raises(KShotValueError, match="transfer_grid; not list"):
        plot([])


@pytest.mark.parametrize("plot", [viz.plot_transfer, viz.plot_masking])
def test_one_episode_is_drawn_without_an_interval(plot):
    ax = plot(hand_grid(hand_rows(episodes=1)))
    written = " ".join(one.get_text() for one in ax.texts)
    assert "nan" not in written
    assert "interval]" not in written


def test_every_start_has_the_name_that_sentences_use():
    methods = {"mean_variance": "plain", "last_block": "last_block", "grouped": "grouped"}
    rows = hand_rows()
    known = rows["start"] == "frozen"
    more = [rows[known].assign(start=one, method=two) for one, two in methods.items()]
    # Plain tuning of random weights is there already.
    more[0] = more[0][more[0]["source"] != "random"]
    grid = hand_grid(pd.concat([rows[rows["start"] == "random"], *more]))
    ax = viz.plot_transfer(grid, starts=list(methods))
    shown = {one.get_text() for one in ax.get_legend().get_texts()}
    assert shown == {"random, same mean and variance", "last block", "fine-tuned in groups"}
    said = {line.split(": ")[0].removeprefix("target, 5 shots, ") for line in grid.findings()}
    assert said == shown

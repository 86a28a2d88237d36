from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from kshot_viz.errors import KShotValueError
from kshot_viz.viz.comparison.loss_curves import _history_frame, plot_history
from kshot_viz.viz.style.canvas import figure_of

FINE = pd.DataFrame({"step": [0, 1, 2], "loss": [2.3, 1.0, 0.2], "accuracy": [0.1, 0.5, 1.0]})
BAD = pd.DataFrame({"step": [0, 1, 2], "loss": [2.3, 900.0, np.inf], "accuracy": [0.1, 0.2, 0.1]})


def test_a_run_its_history_and_a_mapping_are_taken() -> None:
    run = SimpleNamespace(history=FINE, method="grouped")
    for given, name in ((run, "grouped"), (FINE, "support"), ({"mine": run}, "mine")):
        frame = _history_frame(given)
        assert set(frame["run"]) == {name}
        assert frame["accuracy"].tolist() == [10, 50, 100]
        assert frame["loss"].tolist() == FINE["loss"].tolist()


def test_infinite_losses_are_missing() -> None:
    assert _history_frame(BAD)["loss"].isna().tolist() == [False, False, True]


def test_loss_is_left_and_accuracy_right() -> None:
    ax = plot_history({"plain": FINE, "grouped": FINE})
    left, right = figure_of(ax).axes
    assert left is ax
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["plain", "groups"]
    assert right.get_ylabel() == "support accuracy, %"
    assert [line.get_ydata().tolist() for line in right.lines] == [[10, 50, 100]] * 2
    figure_of(ax).draw_without_rendering()
    outside = max(axis.get_tightbbox().x1 for axis in (right.yaxis, left.xaxis))
    assert ax.get_legend().get_window_extent().x0 >= outside


def test_one_run_is_named_in_the_title() -> None:
    ax = plot_history({"head_only": FINE})
    assert ax.get_legend() is None
    assert ax.get_title(loc="left") == "Fine-tuning on the support, head only"
    assert plot_history(FINE).get_title(loc="left") == "Fine-tuning on the support"


def test_a_run_that_diverged_is_marked_where_it_ended() -> None:
    ax = plot_history({"plain": BAD, "grouped": FINE})
    assert "diverged at step 2" in [text.get_text() for text in ax.texts]
    crosses = [line for line in ax.lines if line.get_marker() == "X"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [(1, 900.0)]
    assert ax.get_yscale() == "log"


def test_ordinary_losses_start_at_zero() -> None:
    ax = plot_history(FINE, ax=Figure().add_subplot())
    assert ax.get_yscale() == "linear"
    assert ax.get_ylim()[0] == 0


def test_a_run_that_was_never_finite_can_be_drawn() -> None:
    lost = FINE.assign(loss=np.nan)
    figure_of(plot_history(lost)).draw_without_rendering()


def test_what_is_no_run_is_refused() -> None:
    with pytest.raises(KShotValueError, match="no run"):
        plot_history({})
    with pytest.raises(KShotValueError, match="'mine' has no history with step, loss, accuracy"):
        plot_history({"mine": [1, 2]})

from __future__ import annotations

import numpy as np
import pytest

from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.gradients import GradientTrace
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.viz.neurons.gradient_norms import _gradient_frame, plot_gradients
from kshot_viz.viz.neurons.layer_groups import layer_groups

GROUPS = layer_groups(Grouping({"x": [0, 0, 1]}), "x", 3)
TRACE = GradientTrace(
    "x",
    alone=np.array([[0.0, 0.0, 0.0], [3.0, 4.0, 1.0]]),
    shared=np.array([[0.0, 0.0, 0.0], [2.5, 2.5, 1.0]]),
)


def test_what_is_removed_counts_the_whole_group_of_a_neuron() -> None:
    frame = _gradient_frame(TRACE, GROUPS, [1])
    assert frame["step"].tolist() == [0, 1]
    assert frame[1].tolist() == [0, 4]
    assert np.isnan(frame["removed"][0])
    assert frame["removed"][1] == pytest.approx(100 * (1 - 12.5 / 25))


def test_a_neuron_on_its_own_loses_nothing() -> None:
    assert _gradient_frame(TRACE, GROUPS, [2])["removed"][1] == 0


def test_the_note_says_how_much_was_removed() -> None:
    ax = plot_gradients(TRACE, GROUPS, [0, 1])
    assert len(ax.lines) == 2
    assert any("removed 50 % of the energy" in t.get_text().replace("\n", " ") for t in ax.texts)


def test_an_empty_selection_is_refused() -> None:
    with pytest.raises(KShotValueError, match="select at least one neuron"):
        plot_gradients(TRACE, GROUPS, [])

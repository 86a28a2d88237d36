from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.editing.history import named
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.viz.neurons.group_sizes import _sizes_frame, plot_group_sizes
from kshot_viz.viz.style.canvas import figure_of
from kshot_viz.viz.style.colours import DEAD_COLOUR


def test_largest_groups_come_first_and_dead_neurons_last() -> None:
    labels = [0, 1, 1, 2, 2, 2, 3, 3, 3, 3]
    frame = _sizes_frame(Grouping({"a": labels}, dead={"a": 3}))
    assert frame["group"].tolist() == [2, 1, 0, 3]
    assert frame["size"].tolist() == [3, 2, 1, 4]
    assert frame["share"].tolist() == pytest.approx([30, 20, 10, 40])
    assert frame["start"].tolist() == pytest.approx([0, 30, 50, 60])
    assert frame["colour"].iloc[-1] == DEAD_COLOUR


@given(rows=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=40), min_size=1, max_size=5))
def test_every_bar_is_full(rows: list[list[int]]) -> None:
    grouping = Grouping({f"layer{i}": row for i, row in enumerate(rows)})
    frame = _sizes_frame(grouping)
    for row, part in frame.groupby("row"):
        assert part["share"].sum() == pytest.approx(100)
        assert part["size"].sum() == len(rows[row])


def test_the_text_beside_counts_neurons_groups_and_the_dead(groups: Grouping) -> None:
    ax = plot_group_sizes(groups)
    texts = [text.get_text() for text in ax.texts]
    assert "6 in 2 groups, 1 dead" in texts
    assert "12 in 9 groups, 6 single" in texts
    assert [bar.get_hatch() for bar in ax.patches].count("////") == 1
    assert "hatched: dead neurons" in texts[-1]


def test_many_single_neurons_are_one_bar() -> None:
    labels = np.r_[0, 0, np.arange(1, 1901), [1901] * 3]
    ax = plot_group_sizes(Grouping({"a": labels}, dead={"a": 1901}))
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(
        [100 * size / labels.size for size in (2, 1900, 3)]
    )
    texts = [text.get_text() for text in ax.texts]
    assert {"1,900 single neurons", "1,905 in 1,901 groups, 1,900 single, 3 dead"} <= {*texts}


def test_names_are_shortened_to_their_bars() -> None:
    grouping = named(Grouping({"a": [0] * 9 + [1]}), "a", 0, "edges")
    grouping = named(grouping, "a", 1, "a name of many letters")
    texts = [text.get_text() for text in plot_group_sizes(grouping).texts]
    assert "edges" in texts
    assert any(text.startswith("a nam") and text.endswith("…") for text in texts)


@pytest.mark.parametrize("layers", [1, 4, 60])
def test_every_layer_is_named_without_overlap(layers: int) -> None:
    grouping = Grouping({f"block{i}.conv": np.arange(16) % 5 for i in range(layers)})
    ax = plot_group_sizes(grouping)
    figure_of(ax).draw_without_rendering()
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert len(boxes) == layers
    assert all(above.y0 >= below.y1 for above, below in pairwise(boxes))


def test_given_axes_are_used(groups: Grouping) -> None:
    ax = Figure().add_subplot()
    assert plot_group_sizes(groups, ax=ax) is ax


def test_an_empty_grouping_is_refused() -> None:
    with pytest.raises(KShotValueError, match="no layer"):
        plot_group_sizes(Grouping({}))

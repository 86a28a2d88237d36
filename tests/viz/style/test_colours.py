from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kshot_viz.methods.grouped import Grouped
from kshot_viz.methods.registry import FIRST
from kshot_viz.viz.style.colours import (
    DEAD_COLOUR,
    HATCHES,
    MARKERS,
    OKABE_ITO,
    group_colours,
    group_shapes,
    luminance,
    method_label,
    method_styles,
    rgb,
    text_on,
)


@given(n=st.integers(0, 300))
def test_every_group_has_its_own_colour(n: int) -> None:
    colours = group_colours(range(n))
    assert len(colours) == len(set(colours)) == n
    assert DEAD_COLOUR not in colours
    assert all(len(colour) == 7 and colour[0] == "#" for colour in colours)


@pytest.mark.parametrize("n", [1, 4, 7])
def test_few_groups_have_okabe_and_itos_colours(n: int) -> None:
    assert group_colours(range(n)) == OKABE_ITO[:n]


@given(numbers=st.lists(st.integers(-1, 300), max_size=20))
def test_a_number_has_one_look_whatever_other_groups_there_are(numbers: list[int]) -> None:
    alone = [(group_colours([n])[0], group_shapes([n])[0]) for n in numbers]
    assert list(zip(group_colours(numbers), group_shapes(numbers), strict=True)) == alone
    assert all(group_colours([n]) == (DEAD_COLOUR,) for n in numbers if n < 0)


def test_more_than_seven_groups_differ_in_shape_too() -> None:
    shapes = group_shapes(range(56))
    assert shapes[:7] == (0,) * 7
    assert len({shapes[n] for n in range(0, 56, 7)}) == len(MARKERS) == len(HATCHES) == 8


@pytest.mark.parametrize("n", [8, 20, 60])
def test_neighbours_among_many_groups_differ(n: int) -> None:
    colours = np.stack([rgb(colour) for colour in group_colours(range(n))])
    assert np.abs(np.diff(colours, axis=0)).max(axis=1).min() > 0.15


def test_styles_differ_in_colour_and_marker() -> None:
    styles = method_styles([*FIRST, "mine", "yours", "theirs"]).values()
    for part in ("label", "colour", "marker"):
        assert len({getattr(style, part) for style in styles}) == len(styles)


def test_methods_keep_their_order_and_look_whatever_else_is_there() -> None:
    styles = method_styles(["mine", "grouped", "plain", "mine"])
    assert list(styles) == ["plain", "grouped", "mine"]
    assert styles["grouped"] == Grouped.style
    assert styles["mine"].label == method_label("mine") == "mine"


def test_a_method_without_a_style_has_its_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Grouped, "style", None)
    assert method_styles(["grouped"])["grouped"].label == "groups"


def test_the_label_of_a_method_has_its_style() -> None:
    assert method_styles(["groups", "plain"])["groups"] == Grouped.style


def test_any_number_of_unknown_methods_has_a_style() -> None:
    assert len(method_styles([f"m{i}" for i in range(30)])) == 30


def test_methods_have_labels() -> None:
    labels = [method_label(name) for name in ("head_only", "grouped", "weight_groups")]
    assert labels == ["head only", "groups", "weight groups"]


@given(n=st.integers(1, 100))
def test_text_on_a_colour_has_contrast(n: int) -> None:
    for colour in group_colours(range(n)):
        dark, light = sorted((luminance(colour), luminance(text_on(colour))))
        assert (light + 0.05) / (dark + 0.05) > 4.0

"""Recolouring of figures for dark and light themes."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from kshot_viz.viz.style.dark_mode import DARK, recolour


def figure() -> Figure:
    drawn = Figure()
    ax = drawn.add_subplot()
    ax.plot([0, 1], color="black", label="text")
    ax.plot([1, 0], color="#0072B2", label="meaning")
    ax.scatter([0, 1], [0, 1], c=["black", "#D55E00"], edgecolors="white")
    ax.text(0, 0, "on a field", color="#000000")
    ax.text(0, 1, "on the page")
    ax.set_title("a title")
    ax.grid(color="black", alpha=0.1)
    ax.legend()
    return drawn


def colours(drawn: Figure) -> dict[str, str]:
    (ax,) = drawn.axes
    drawn.draw_without_rendering()
    scattered = ax.collections[0]
    return {
        "text": to_hex(ax.lines[0].get_color()),
        "meaning": to_hex(ax.lines[1].get_color()),
        "dot": to_hex(scattered.get_facecolor()[0]),
        "other dot": to_hex(scattered.get_facecolor()[1]),
        "rim": to_hex(scattered.get_edgecolor()[0]),
        "on a field": to_hex(ax.texts[0].get_color()),
        "on the page": to_hex(ax.texts[1].get_color()),
        "title": to_hex(ax.title.get_color()),
        "tick": to_hex(ax.get_xticklabels()[0].get_color()),
        "grid": to_hex(ax.get_xgridlines()[0].get_color()),
        "spine": to_hex(ax.spines["left"].get_edgecolor()),
        "legend": to_hex(ax.get_legend().get_texts()[0].get_color()),
        "background": to_hex(drawn.get_facecolor()),
        "field": to_hex(ax.get_facecolor()),
    }


MEANING = {"meaning": "#0072b2", "other dot": "#d55e00", "on a field": "#000000"}
BACKGROUND = ("rim", "background", "field")


def test_black_and_white_change_and_other_colours_stay():
    drawn = figure()
    recolour(drawn, dark=True)
    for part, colour in colours(drawn).items():
        page = DARK.background if part in BACKGROUND else DARK.foreground
        assert colour == MEANING.get(part, page), part


def test_there_and_back_is_nothing():
    drawn = figure()
    before = colours(drawn)
    recolour(drawn, dark=False)
    assert colours(drawn) == before
    recolour(drawn, dark=True)
    recolour(drawn, dark=True)
    recolour(drawn, dark=False)
    assert colours(drawn) == before


def test_ticks_that_are_created_later_are_recoloured_too():
    drawn = figure()
    recolour(drawn, dark=True)
    (ax,) = drawn.axes
    ax.set_xticks(np.linspace(0, 1, 40))
    assert {to_hex(label.get_color()) for label in ax.get_xticklabels()} == {DARK.foreground}


def test_a_figure_in_a_style_of_the_users_own_is_left_alone():
    drawn = figure()
    drawn.set_facecolor("#223344")
    before = colours(drawn)
    recolour(drawn, dark=True)
    assert colours(drawn) == before

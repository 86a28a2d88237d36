from __future__ import annotations

import subprocess
import sys

import pytest
from matplotlib.figure import Figure

from kshot_viz.text import counted
from kshot_viz.viz.style.canvas import (
    entitle,
    figure_of,
    legend_outside,
    new_axes,
    text_colour,
    tidy,
)


def test_without_axes_there_is_a_new_figure() -> None:
    ax = new_axes(None, (3, 2))
    assert isinstance(figure_of(ax), Figure)
    assert figure_of(ax).get_size_inches().tolist() == [3, 2]


def test_given_axes_are_used() -> None:
    figure = Figure()
    ax = figure.add_subplot()
    assert new_axes(ax, (3, 2)) is ax
    assert figure_of(figure) is figure_of(ax) is figure


def test_axes_of_a_subfigure_lead_to_the_whole_figure() -> None:
    figure = Figure()
    assert figure_of(figure.subfigures(1, 2)[0].subplots()) is figure


def test_a_title_with_a_long_note_stays_above_the_axes() -> None:
    ax = new_axes(None, (4, 3))
    entitle(ax, "Title", "word " * 60)
    figure = figure_of(ax)
    figure.draw_without_rendering()
    note = ax.texts[0].get_window_extent()
    assert ax._left_title.get_window_extent().y0 >= note.y1 - 1
    assert note.y0 >= ax.get_window_extent().y1
    assert note.x1 <= figure.bbox.x1


def test_the_legend_is_beside_the_data() -> None:
    ax = new_axes(None, (4, 3))
    ax.plot([0, 1], label="line")
    legend_outside(ax)
    figure_of(ax).draw_without_rendering()
    assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1


def test_the_users_own_style_stays() -> None:
    import matplotlib as mpl

    with mpl.rc_context({"text.color": "red", "axes.titlecolor": "auto"}):
        ax = new_axes(None, (3, 2))
        tidy(ax, grid="y")
        assert text_colour(ax) == "red"


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0 shots"), (1, "1 shot"), (5, "5 shots"), (2000, "2,000 shots")]
)
def test_counts_are_written_out(n: int, text: str) -> None:
    assert counted(n, "shot") == text


@pytest.mark.slow
def test_no_figure_brings_pyplot_or_changes_settings() -> None:
    code = (
        "import sys, matplotlib; before = dict(matplotlib.rcParams)\n"
        "import numpy as np, pandas as pd\n"
        "import kshot_viz.viz as viz\n"
        "assert not any(name in sys.modules for name in ('matplotlib.figure', 'umap', 'seaborn'))\n"
        "from kshot_viz.grouping.grouping import Grouping\n"
        "ax = viz.plot_group_sizes(Grouping({'a': [0, 1, 1]}))\n"
        "viz.to_png(ax)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert dict(matplotlib.rcParams) == before\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)

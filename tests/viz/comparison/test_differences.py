from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from kshot_viz.errors import KShotValueError
from kshot_viz.viz.comparison.differences import differences_frame, plot_differences
from kshot_viz.viz.style.colours import method_styles

NAN = float("nan")
WIDER = {"adjusted_low": -0.011, "adjusted_high": 0.029}
CLEAR = {"difference": 0.031, "difference_low": 0.021, "difference_high": 0.041, "p_holm": 0.004}


def labels(ax) -> list[str]:
    return [one.get_text() for one in ax.get_yticklabels()]


def texts(ax) -> list[str]:
    return [one.get_text() for one in ax.texts]


def at(ax, row: int) -> list:
    """Return the thin bar, the thick bar and the marker of a row."""
    return [
        line for line in ax.lines if len(set(line.get_ydata())) == 1 and line.get_ydata()[0] == row
    ]


def test_a_row_a_task_and_method_under_the_name_of_the_task(make: Callable) -> None:
    ax = plot_differences(make(methods=("grouped", "plain", "mine", "head_only")))
    names = ["", "head only", "groups", "mine"]
    assert labels(ax) == [*names, *names]
    found = texts(ax)
    assert "10 classes, 1 shot, 20 test episodes" in found
    assert "10 classes, 5 shots, 20 test episodes" in found
    assert found.count("+0.9 [-0.4, +2.2], 0.400") == 6


def test_bars_are_the_intervals_in_points(make: Callable, row: Callable) -> None:
    rows = pd.DataFrame([row("plain"), row(**WIDER), row("shuffled", **CLEAR)])
    ax = plot_differences(make(shots=(1,), rows=rows))
    thin, thick, marker = at(ax, 1)
    np.testing.assert_allclose(thin.get_xdata(), [-1.1, 2.9])
    np.testing.assert_allclose(thick.get_xdata(), [-0.4, 2.2])
    np.testing.assert_allclose(marker.get_xdata(), [0.9])
    assert thin.get_linewidth() < thick.get_linewidth()
    styles = method_styles(["grouped", "shuffled"])
    assert to_hex(thick.get_color()).upper() == styles["grouped"].colour
    assert marker.get_marker() == styles["grouped"].marker


def test_a_filled_marker_is_a_clear_difference(make: Callable, row: Callable) -> None:
    rows = pd.DataFrame([row("plain"), row(), row("shuffled", **CLEAR)])
    comparison = make(shots=(1,), rows=rows)
    assert differences_frame(comparison)["clear"].tolist() == [False, True]
    ax = plot_differences(comparison)
    hollow, filled = (at(ax, number)[-1] for number in (1, 2))
    assert hollow.get_markerfacecolor() == ax.get_facecolor()
    assert filled.get_markerfacecolor() == method_styles(["shuffled"])["shuffled"].colour
    bold = [one.get_text() for one in ax.texts if one.get_fontweight() == "bold"]
    assert "+3.1 [+2.1, +4.1], 0.004" in bold
    assert "+0.9 [-0.4, +2.2], 0.400" not in bold


def test_zero_is_drawn_and_n_and_images_are_told(make: Callable, row: Callable) -> None:
    rows = pd.DataFrame([row("plain"), row(n=18), row("shuffled", n=20)])
    ax = plot_differences(make(shots=(1,), rows=rows))
    assert any(list(line.get_xdata()) == [0, 0] for line in ax.lines)
    assert "10 classes, 1 shot, 18 to 20 test episodes" in texts(ax)
    assert any("the episodes share 1,014" in one.replace("\n", " ") for one in texts(ax))


def test_one_episode_has_no_interval(make: Callable, row: Callable) -> None:
    unknown = {"difference_low": NAN, "difference_high": NAN, "p_value": NAN, "p_holm": NAN}
    rows = pd.DataFrame([row("plain", n=1), row(n=1, **unknown)])
    ax = plot_differences(make(shots=(1,), rows=rows))
    assert "+0.9" in texts(ax)
    assert any("no interval" in one for one in texts(ax))
    ax.figure.draw_without_rendering()
    assert np.isfinite(ax.get_xlim()).all()


@pytest.mark.parametrize("methods", [("plain",), ("grouped", "shuffled")])
def test_without_plain_or_any_other_there_is_nothing_to_draw(
    make: Callable, methods: tuple[str, ...]
) -> None:
    comparison = make(methods=methods)
    if "plain" not in methods:
        comparison = make(methods=methods, rows=comparison.rows.assign(difference=NAN))
    assert len(differences_frame(comparison)) == 0
    with pytest.raises(KShotValueError, match=r"no difference to plain.*methods="):
        plot_differences(comparison)


def test_it_draws_into_a_given_axes(make: Callable) -> None:
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert plot_differences(make(), ax=ax) is ax

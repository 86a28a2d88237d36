"""What all dashboards are put together from."""

from __future__ import annotations

import base64
import io
import re

from ipywidgets.widgets.widget import _instances
from matplotlib.figure import Figure
from PIL import Image

from kshot_viz.errors import KShotValueError
from kshot_viz.viz.style.canvas import to_png
from kshot_viz.widgets.base.parts import (
    STATIC,
    Dashboard,
    Page,
    Picture,
    Status,
    button,
    column,
    heading,
    static,
)


class Shown(Dashboard):
    """The smallest dashboard."""

    def figure(self) -> Figure:
        figure = Figure(figsize=(2, 1))
        figure.add_subplot().plot([1, 2])
        return figure


def test_a_picture_shows_the_bytes_of_its_figure():
    figure = Shown().figure()
    picture = Picture("a line")
    picture.show(figure)
    assert picture.value == to_png(figure)
    assert picture.tooltip == "a line"


def test_pictures_follow_the_theme_of_the_page():
    picture = Picture("a line")
    shown = Shown([column(picture)])
    picture.show(Shown().figure())
    light = picture.value
    (page,) = (part for part in shown.children if isinstance(part, Page))
    page.dark = True
    dark = Image.open(io.BytesIO(picture.value))
    assert dark.getpixel((1, 1))[3] == 0  # the page shows through
    inked = [pixel for _, pixel in dark.convert("RGBA").getcolors(4096) if pixel[3] == 255]
    assert min(sum(pixel[:3]) for pixel in inked) > 200  # nothing is black any more
    picture.show(Shown().figure())
    assert Image.open(io.BytesIO(picture.value)).getpixel((1, 1))[3] == 0
    page.dark = False
    assert picture.value == light


def test_a_status_escapes_what_it_says():
    status = Status()
    status.done("class <b>zebra</b>")
    assert "<b>" not in status.value
    assert "&lt;b&gt;zebra" in status.value
    assert status.kind == "done"


def test_an_error_of_the_package_is_a_sentence_and_any_other_shows_its_kind():
    status = Status()
    status.error(KShotValueError("`n` must be 1."))
    assert "`n` must be 1." in status.value
    assert "KShot" not in status.value
    status.error(ZeroDivisionError("division by zero"))
    assert "ZeroDivisionError: division by zero" in status.value
    assert 'role="alert"' in status.value


def test_a_heading_escapes_its_text():
    assert "<i>" not in heading("<i>layer</i>").value


def test_a_button_acts_without_an_argument():
    pressed = []
    button("Go", "goes", lambda: pressed.append(1)).click()
    assert pressed == [1]


def test_a_dashboard_leaves_a_figure_for_pages_without_a_kernel():
    bundle = Shown()._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in data


def test_a_dashboard_without_a_figure_is_displayed_without_one():
    class Empty(Dashboard):
        def figure(self) -> Figure:
            raise KShotValueError("There is nothing to draw.")

    bundle = Empty()._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "image/png" not in data
    assert "application/vnd.jupyter.widget-view+json" in data


def test_a_dashboard_that_is_closed_leaves_nothing_open():
    before = set(_instances)
    shown = Shown([column(button("Go", "goes", print), Shown([Status("done")]))])
    assert set(_instances) > before
    shown.close()
    assert set(_instances) == before


def test_styles_take_their_colours_from_the_theme_and_fetch_nothing():
    for path in STATIC.glob("*.css"):
        sheet = static(path.name)
        assert not re.search(r"url\(|@import|https?:", sheet)
        for used in re.findall(r"var\((--jp-[\w-]+)([^)]*)\)", sheet):
            assert used[1].startswith(","), f"{used[0]} has no fall-back"

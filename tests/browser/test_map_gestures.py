"""The map alone: hover, rectangle, shift, zoom, themes, from one neuron to a hundred thousand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lab_page import LabPage
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SET_UP = """
import numpy as np
from kshot_viz.activations import Activations, LayerActivations
from kshot_viz.grouping.editing.history import named
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.widgets import NeuronMap

def layer(points):
    points = np.asarray(points, dtype=np.float32)
    return LayerActivations(points, points.mean(axis=1), points.std(axis=1), points.shape[1])
"""
# Four neurons in a row from left to right; the last two are dead, with HTML in their name.
ROW = """
acts = Activations({"<i>row</i>": layer([[0, 0], [1, 0.1], [2, 0.1], [3, 0]])}, "grid", 2)
groups = Grouping({"<i>row</i>": [0, 1, 2, 2]}, dead={"<i>row</i>": 2})
groups = named(groups, "<i>row</i>", 2, "<b>last</b>")
shown = NeuronMap(acts, "<i>row</i>", groups)
shown
"""
ONE = "one = NeuronMap(Activations({'a': layer([[1, 2]])}, 'grid', 2), 'a'); one"
MANY = """
points = np.random.default_rng(0).normal(size=(100_000, 2))
many = NeuronMap(Activations({"a": layer(points)}, "grid", 2), "a",
                 Grouping({"a": np.arange(100_000) % 9}))
many
"""
# More neurons than are drawn, in seven groups of three hundred; one of them is dead and named.
WIDE = """
from kshot_viz.widgets.explorer.neuron_map import SimilarityMatrix
acts = Activations({"a": layer(np.random.default_rng(0).normal(size=(2100, 4)))}, "grid", 4)
wide = SimilarityMatrix(acts, "a", named(Grouping({"a": np.arange(2100) % 7}, dead={"a": 6}),
                                         "a", 6, "silent"))
wide
"""
COUNT = ".kv-map-count"

POINTS = "() => document.querySelector('.kv-map-points').toDataURL()"
# Two frames later every requested drawing is made.
SETTLED = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"""


def box_of(over: Locator) -> tuple[float, float, float, float]:
    box = over.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def drag(page: Page, over: Locator, left: float, right: float) -> None:
    """Drag over all of the height, from one share of the width to another."""
    x, y, width, height = box_of(over)
    page.mouse.move(x + left * width, y + 2)
    page.mouse.down()
    page.mouse.move(x + (left + right) / 2 * width, y + height / 2)
    page.mouse.move(x + right * width, y + height - 2)
    page.mouse.up()


def test_hover_rectangle_shift_and_clear(cell: Callable[[str], LabPage]):
    found = cell(ROW)
    page, over = found.page, found.show(".kv-map-over")
    page.locator(".kv-map[data-drawn]").wait_for()
    x_of = found.ask("(shown.frame()['x'] - shown.frame()['x'].min()).tolist()")
    x, y, _, height = box_of(over)
    rows = found.ask("shown.frame()['y'].tolist()")
    at_left = x_of.index(0.0)
    down = 26 + (max(rows) - rows[at_left]) / (max(rows) - min(rows)) * (height - 52)
    page.mouse.move(x + 26, y + down)
    tip = page.locator(".kv-map-tip")
    tip.get_by_text(f"<i>row</i>, neuron {at_left}", exact=True).wait_for()
    group = "<b>last</b>" if at_left > 1 else str(at_left)
    tip.get_by_text(f"group {group}", exact=True).wait_for()

    page.get_by_role("button", name="Rectangle").click()
    drag(page, over, 0.5, 0.999)
    page.locator(COUNT, has_text="2 of 4").wait_for()
    right = sorted(sorted(range(4), key=lambda i: x_of[i])[2:])
    assert found.becomes("shown.selected.tolist()", right)
    page.keyboard.down("Shift")
    drag(page, over, 0.001, 0.1)
    page.keyboard.up("Shift")
    page.locator(COUNT, has_text="3 of 4").wait_for()
    assert found.becomes("shown.selected.tolist()", sorted([*right, at_left]))
    page.get_by_role("button", name="Clear").click()
    page.locator(COUNT, has_text="4 neurons").wait_for()
    assert found.becomes("shown.selected.tolist()", [])


def test_what_python_selects_is_shown_and_the_theme_is_followed(cell: Callable[[str], LabPage]):
    found = cell(ROW)
    page = found.page
    found.show(".kv-map-over")
    page.locator(".kv-map[data-drawn]").wait_for()
    found.ask("shown.select([1, 2])")
    page.locator(COUNT, has_text="2 of 4").wait_for()
    light = page.evaluate("() => document.querySelector('.kv-map-points').toDataURL()")
    found.theme("JupyterLab Dark")
    page.wait_for_function(
        "was => document.querySelector('.kv-map-points').toDataURL() !== was", arg=light
    )
    colour = page.locator(".kv-map-stage").evaluate("stage => getComputedStyle(stage).color")
    assert colour != "rgb(31, 35, 40)"


def test_a_dead_group_has_its_name_and_a_double_click_leaves_the_view(
    cell: Callable[[str], LabPage],
):
    found = cell(ROW)
    page, over = found.page, found.show(".kv-map-over")
    page.locator(".kv-map[data-drawn]").wait_for()
    over.focus()
    x_of = found.ask("shown.frame()['x'].tolist()")
    for _ in range(4):
        page.keyboard.press("ArrowRight" if x_of[3] > x_of[0] else "ArrowLeft")
    page.keyboard.press("g")
    page.locator(COUNT, has_text="2 of 4 neurons selected").wait_for()
    page.locator(".kv-map-table summary").click()
    cells = page.locator(".kv-map-rows tbody tr td:nth-child(2)")
    expect(cells).to_have_text(["<b>last</b>", "<b>last</b>"])

    page.keyboard.press("Escape")
    page.get_by_role("button", name="Clear").click()
    page.locator(COUNT, has_text="4 neurons").wait_for()
    over.focus()
    page.keyboard.press("+")
    page.evaluate(SETTLED)
    x, y, width, _ = box_of(over)
    page.mouse.move(x + width / 2, y + 4)
    zoomed = page.evaluate(POINTS)
    page.mouse.dblclick(x + width / 2, y + 4)
    page.evaluate(SETTLED)
    assert page.evaluate(POINTS) == zoomed


def test_the_matrix_is_reached_by_keyboard_and_groups_are_whole(cell: Callable[[str], LabPage]):
    found = cell(WIDE)
    page, live = found.page, found.page.locator(".kv-matrix .kv-map-live")
    page.locator(".kv-matrix[data-drawn]").wait_for()
    before = page.locator(".kv-matrix").get_attribute("data-drawn")
    found.show(".kv-matrix-over").focus()
    page.wait_for_function(
        "was => document.querySelector('.kv-matrix').dataset.drawn !== was", arg=before
    )
    page.keyboard.press("ArrowDown")
    live.get_by_text("neuron 0 with itself; correlation 1.00; group 0", exact=True).wait_for()
    page.keyboard.press("ArrowRight")
    order = found.ask("wide.frame().index[:2].tolist()")
    correlation = found.ask("float(wide.frame().iloc[0, 1])")
    text = live.inner_text()
    assert text.startswith(f"neurons {order[0]} and {order[1]}; correlation ")
    assert abs(float(text.split("; ")[1].split()[1]) - correlation) < 0.01
    note = page.locator(".kv-matrix-note")
    page.keyboard.press("Enter")
    note.get_by_text("1 selected").wait_for()
    page.keyboard.press("Shift+Space")
    live.get_by_text("Nothing selected").wait_for()
    page.keyboard.press("g")
    note.get_by_text("300 selected").wait_for()
    assert found.becomes("wide.selected.tolist()", list(range(0, 2100, 7)))
    page.keyboard.press("a")
    note.get_by_text("2,100 selected").wait_for()


def test_one_neuron_can_be_selected(cell: Callable[[str], LabPage]):
    found = cell(ONE)
    x, y, width, height = box_of(found.show(".kv-map-over"))
    found.page.mouse.click(x + width / 2, y + height / 2)
    found.page.locator(COUNT, has_text="1 of 1 neuron selected").wait_for()
    assert found.becomes("one.selected.tolist()", [0])


def test_a_hundred_thousand_neurons_are_lassoed_and_zoomed(cell: Callable[[str], LabPage]):
    found = cell(MANY)
    page, over = found.page, found.show(".kv-map-over")
    page.locator(".kv-map[data-drawn]").wait_for()
    page.get_by_role("button", name="Rectangle").click()
    drag(page, over, 0.3, 0.7)
    page.locator(COUNT, has_text="of 100,000 neurons selected").wait_for()
    chosen = int(page.locator(COUNT).inner_text().split()[0].replace(",", ""))
    assert 50_000 < chosen < 100_000
    assert found.becomes("many.selected.size", chosen)
    drawn = page.locator(".kv-map").get_attribute("data-drawn")
    page.keyboard.press("+")
    page.wait_for_function(
        "was => document.querySelector('.kv-map').dataset.drawn !== was", arg=drawn
    )
    page.keyboard.press("a")
    page.locator(COUNT, has_text="100,000 of 100,000").wait_for()
    assert found.becomes("many.selected.size", 100_000)

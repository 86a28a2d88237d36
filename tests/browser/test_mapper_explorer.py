"""A Mapper graph with mouse and keyboard: nodes and exact rows, edges, parameters, both themes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from lab_page import LabPage
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

SET_UP = """
import kshot_viz as kv
from kshot_viz.analysis import activation_points
from kshot_viz.widgets import NeuronMap
data = kv.load_dataset("digits").take(range(600))
backbone = kv.load_backbone("glyphnet")
points = activation_points(backbone, data, "blocks.3.conv")
"""
ONE = "shown = kv.MapperExplorer(points, images=data, intervals=12, height=400)\nshown"
TWO = """
shown = kv.MapperExplorer(
    points, data.labels, after=activation_points(backbone, data, "blocks.2.conv"), intervals=12
)
shown
"""
NEURONS = """
acts = kv.capture_activations(backbone, data.take(range(40)))
grouping = kv.cluster_neurons(acts, n_groups=0.2, seed=0)
neurons = NeuronMap(acts, "blocks.3.conv", grouping)
shown = kv.MapperExplorer(acts["blocks.3.conv"], neurons=neurons, intervals=4, min_samples=2)
display(shown, neurons)
"""
OVER = ".kv-graph-over"
# Where the middle of a mark is: what the script drew it at.
AT = """([index, mark]) => {
  const stage = document.querySelectorAll('.kv-graph')[index];
  const [x, y] = stage.dataset.middles.split(' ')[mark].split(',').map(Number);
  const box = stage.querySelector('.kv-graph-over').getBoundingClientRect();
  return [box.left + x, box.top + y];
}"""
# Two frames later every requested drawing is made.
SETTLED = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"""
PIXELS = "() => document.querySelector('.kv-graph-nodes').toDataURL()"
THEMES = ("JupyterLab Light", "JupyterLab Dark")


@pytest.fixture
def explorer(cell: Callable[[str], LabPage]) -> LabPage:
    return ready(cell(ONE))


def ready(lab: LabPage) -> LabPage:
    lab.show(OVER)
    lab.page.locator(".kv-graph[data-drawn]").first.wait_for()
    return lab


def turn(lab: LabPage, theme: str) -> None:
    """Change the theme; JupyterLab lays its splash over the page meanwhile."""
    lab.theme(theme)
    lab.page.locator("#jupyterlab-splash").wait_for(state="detached")
    lab.page.evaluate(SETTLED)


def drawn_again(page: Page, act: Callable[[], Any]) -> None:
    """Do something, and wait until the graph is drawn again."""
    before = page.locator(".kv-graph").first.get_attribute("data-drawn")
    act()
    page.wait_for_function(
        "was => document.querySelector('.kv-graph').dataset.drawn !== was", arg=before
    )


def at(lab: LabPage, mark: int, index: int = 0) -> tuple[float, float]:
    lab.page.locator(OVER).nth(index).evaluate("one => one.scrollIntoView({block: 'center'})")
    x, y = lab.page.evaluate(AT, [index, mark])
    return x, y


def click(lab: LabPage, mark: int, index: int = 0) -> None:
    lab.page.mouse.click(*at(lab, mark, index))


def members(mark: int, index: int = 0) -> str:
    view = f"shown.scene.views()[{index}]"
    return f"{view}.graph.nodes[{view}.kept[{mark}]].members.tolist()"


@pytest.mark.parametrize("theme", THEMES)
def test_a_click_on_a_node_selects_exactly_its_rows(explorer: LabPage, theme: str):
    page = explorer.page
    turn(explorer, theme)
    explorer.show(OVER)
    for mark in (0, 5):
        click(explorer, mark)
        assert explorer.becomes("shown.selected", explorer.ask(members(mark)))
    size = explorer.ask("len(shown.selected)")
    panel = page.locator(".kv-mapper-panel")
    panel.get_by_text(f"{size} row").first.wait_for()
    expect(panel.locator(".kv-examples img")).to_have_count(min(12, size))
    page.keyboard.down("Shift")
    click(explorer, 0)
    page.keyboard.up("Shift")
    both = f"sorted(set({members(0)}) | set({members(5)}))"
    assert explorer.becomes("shown.selected", explorer.ask(both))
    page.mouse.move(*at(explorer, 0))
    tip = page.locator(".kv-map-tip")
    tip.get_by_text(explorer.ask("shown.graphs[0].nodes[0].name"), exact=True).wait_for()
    page.get_by_role("button", name="Clear").click()
    assert explorer.becomes("shown.selected", [])


def test_what_python_selects_is_drawn_and_noise_is_a_mark(explorer: LabPage):
    page = explorer.page
    before = page.evaluate(PIXELS)
    explorer.ask("shown.select([0, 1, 2])")
    page.wait_for_function(
        "was => document.querySelector('.kv-graph-nodes').toDataURL() !== was", arg=before
    )
    marks = explorer.ask("len(shown.scene.views()[0].positions)")
    click(explorer, marks - 1)
    assert explorer.becomes("shown.selected", explorer.ask("shown.graphs[0].noise.tolist()"))


def test_the_slider_hides_weak_edges(explorer: LabPage):
    page = explorer.page
    everything = explorer.ask("len(shown.graphs[0].edges)")
    page.locator(".kv-map-count", has_text=f"{everything} edges").wait_for()
    slider = page.locator(".kv-jaccard [role=slider]")
    slider.focus()
    slider.press("PageUp")
    assert explorer.becomes("shown.display.least.value > 0", True)
    least = explorer.ask("shown.display.least.value")
    left = explorer.ask(f"int((shown.graphs[0].jaccard >= {least}).sum())")
    page.locator(".kv-map-count", has_text=f"{left} of {everything} edges").wait_for()
    assert left < everything


def test_a_parameter_makes_another_graph_while_the_last_one_stays(explorer: LabPage):
    page = explorer.page
    before = explorer.ask("len(shown.graphs[0].nodes)")
    # The list of lenses; without a layer to choose it is the first that is seen.
    page.locator(".kv-mapper-controls select:visible").first.select_option("PCA, 1st component")
    page.locator(".kv-graph[data-edition='2']").wait_for()
    assert explorer.ask("shown.graphs[0].settings['lens']") == "pca"
    after = explorer.ask("len(shown.graphs[0].nodes)")
    assert after != before
    page.locator(".kv-graph-note", has_text=f"{after} nodes").wait_for()

    page.get_by_label("at the elbow").uncheck()
    epsilon = page.locator(".kv-mapper-controls input[type=number]:not([disabled])")
    page.wait_for_timeout(500)
    epsilon.fill("0.0001")
    epsilon.press("Tab")
    page.locator(".kv-error", has_text="All 600 rows are noise").wait_for()
    page.locator(".kv-graph-note", has_text=f"{after} nodes").wait_for()


@pytest.mark.parametrize("theme", THEMES)
def test_a_graph_of_earlier_settings_says_so(explorer: LabPage, theme: str):
    page = explorer.page
    turn(explorer, theme)
    explorer.ask("shown.controls.automatic.set_trait('value', False)")
    explorer.ask("shown.controls.epsilon.set_trait('value', 1e-6)")
    note = page.locator(".kv-graph-note")
    expect(note).to_contain_text("Of the settings before")
    expect(note).to_have_css("font-weight", "600")
    assert explorer.becomes("shown.status.kind", "error")
    explorer.ask("shown.controls.automatic.set_trait('value', True)")
    expect(note).not_to_contain_text("Of the settings before")
    expect(note).to_have_css("font-weight", "400")


@pytest.mark.parametrize("theme", THEMES)
def test_the_keyboard_reaches_nodes_selects_moves_and_leaves(explorer: LabPage, theme: str):
    page, live = explorer.page, explorer.page.locator(".kv-graph .kv-map-live")
    turn(explorer, theme)
    explorer.show(OVER).focus()
    page.keyboard.press("ArrowRight")
    live.get_by_text("mean norm").wait_for()
    first = live.inner_text().split(";")[0]
    page.keyboard.press("Enter")
    name = f"next(n for n in shown.graphs[0].nodes if n.name == {first!r}).members.tolist()"
    assert explorer.becomes("shown.selected", explorer.ask(name))
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "was => !document.querySelector('.kv-graph .kv-map-live').textContent.startsWith(was)",
        arg=f"{first};",
    )
    page.keyboard.press("Shift+Enter")
    assert explorer.becomes("len(shown.selected) > 0", True)
    second = live.inner_text()
    page.keyboard.press("Tab")
    page.wait_for_function(
        "was => document.querySelector('.kv-graph .kv-map-live').textContent !== was", arg=second
    )
    assert page.evaluate("() => document.activeElement.classList.contains('kv-graph-over')")
    was = explorer.ask("shown.scene.views()[0].positions.tolist()")
    page.keyboard.press("Shift+ArrowUp")
    assert explorer.becomes("len(shown.scene.canvases[0].pinned) // 4", 1)
    assert explorer.ask("shown.scene.views()[0].positions.tolist()") != was
    page.keyboard.press("r")
    assert explorer.becomes("len(shown.scene.canvases[0].pinned)", 0)
    page.keyboard.press("Escape")
    assert explorer.becomes("shown.selected", [])
    page.keyboard.press("Tab")
    assert not page.evaluate("() => document.activeElement.classList.contains('kv-graph-over')")


def test_a_dragged_node_is_pinned_and_the_ground_pans(explorer: LabPage):
    page = explorer.page
    x, y = at(explorer, 0)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 6):
        page.mouse.move(x + 12 * step, y + 4 * step)
    page.mouse.up()
    assert explorer.becomes("shown.scene.canvases[0].pinned", b"\x00\x00\x00\x00")
    there = page.evaluate(AT, [0, 0])
    assert there == pytest.approx([x + 60, y + 20], abs=3)
    assert explorer.ask("shown.selected") == []
    box = page.locator(OVER).bounding_box()
    assert box is not None
    ground = box["x"] + 4, box["y"] + box["height"] - 4
    page.mouse.move(*ground)
    page.mouse.down()
    page.mouse.move(ground[0] + 30, ground[1] - 30)
    drawn_again(page, lambda: page.mouse.move(ground[0] + 40, ground[1] - 40))
    page.mouse.up()
    panned = page.evaluate(AT, [0, 0])
    assert panned == pytest.approx([there[0] + 40, there[1] - 40], abs=3)
    drawn_again(page, lambda: page.get_by_role("button", name="Release").click())
    assert explorer.becomes("len(shown.scene.canvases[0].pinned)", 0)


def test_a_search_fades_the_others(explorer: LabPage):
    page, before = explorer.page, explorer.page.evaluate(PIXELS)
    field = page.locator(".kv-search input")
    field.fill("3")
    page.locator(".kv-mapper-display .kv-done", has_text="rows").wait_for()
    page.wait_for_function(
        "was => document.querySelector('.kv-graph-nodes').toDataURL() !== was", arg=before
    )
    field.fill("")
    page.wait_for_function(
        "was => document.querySelector('.kv-graph-nodes').toDataURL() === was", arg=before
    )


def test_two_states_show_the_same_rows(cell: Callable[[str], LabPage]):
    lab = ready(cell(TWO))
    expect(lab.page.locator(".kv-graph")).to_have_count(2)
    click(lab, 3, index=1)
    assert lab.becomes("shown.selected", lab.ask(members(3, index=1)))
    expect(lab.page.locator(".kv-mapper-panel")).to_contain_text("blocks.2.conv: mean norm")
    titles = lab.page.locator(".kv-graph-title").all_inner_texts()
    assert titles == ["blocks.3.conv", "blocks.2.conv"]
    for index in range(2):
        expect(lab.page.locator(OVER).nth(index)).to_be_visible()


def test_a_node_selects_its_neurons_in_a_map(cell: Callable[[str], LabPage]):
    lab = ready(cell(NEURONS))
    click(lab, 0)
    chosen = lab.ask(members(0))
    assert lab.becomes("neurons.selected.tolist()", chosen)
    width = lab.ask("len(neurons.groups.labels)")
    lab.page.locator(".kv-map-count", has_text=f"{len(chosen)} of {width} neurons").wait_for()
    lab.show(".kv-map-over:not(.kv-graph-over)").focus()
    lab.page.keyboard.press("a")
    assert lab.becomes("len(shown.selected)", width)

"""With a mouse: a lasso makes a group, its score appears, undo restores; the slider cuts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from lab_page import LabPage
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SET_UP = """
import kshot_viz as kv
data = kv.load_dataset("digits")
episodes = kv.sample_episodes(data, way=5, shot=1, query=5, n=2, seed=0)
backbone = kv.load_backbone("glyphnet")
source = kv.load_dataset("glyphs", per_class=1)
acts = kv.capture_activations(backbone, source)
grouping = kv.cluster_neurons(acts, n_groups=0.2, seed=0)
"""
SHOW = """
explorer = kv.GroupExplorer(backbone, acts, grouping, source, episodes, data=data,
                            config=kv.FinetuneConfig(steps=5), executor="serial")
explorer
"""
OVER = ".kv-map-over"


@pytest.fixture
def explorer(cell: Callable[[str], LabPage]) -> LabPage:
    shown = cell(SHOW)
    shown.show(OVER)
    shown.page.locator(".kv-map[data-drawn]").wait_for()
    shown.page.locator(".kv-groups .noUi-handle:not([disabled])").first.wait_for()
    return shown


def circle(page: Page, over: Locator, share: float = 0.3, steps: int = 24) -> None:
    """Draw a line around the middle of the map."""
    from math import cos, pi, sin

    box = over.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    reach = share * box["width"], share * box["height"]
    page.mouse.move(x + reach[0], y)
    page.mouse.down()
    for step in range(1, steps):
        angle = 2 * pi * step / steps
        page.mouse.move(x + reach[0] * cos(angle), y + reach[1] * sin(angle))
    page.mouse.up()


def pixels(page: Page) -> str:
    return page.evaluate("() => document.querySelector('.kv-map-points').toDataURL()")


def test_a_lasso_makes_a_group_the_score_appears_and_undo_restores(explorer: LabPage):
    page = explorer.page
    page.locator(".kv-scores img.kv-picture").wait_for()
    circle(page, explorer.show(OVER))
    count = page.locator(".kv-map-count", has_text="selected").inner_text()
    assert explorer.becomes("explorer.map.selected.size", int(count.split()[0]))
    chosen = explorer.ask("explorer.map.selected.tolist()")
    assert 2 <= len(chosen) < 32
    page.locator(".kv-group").click()
    page.locator(".kv-status .kv-done", has_text="Made a group of").wait_for()
    page.locator(".kv-scores .kv-done", has_text="the grouping as given").wait_for()
    layer = explorer.ask("explorer.layer")
    made = explorer.ask(f"explorer.grouping[{layer!r}].tolist()")
    assert len({made[neuron] for neuron in chosen}) == 1
    assert sum(label == made[chosen[0]] for label in made) == len(chosen)
    assert explorer.ask("explorer.scores.frame()['n'].tolist()") == [2, 2]
    page.locator(".kv-undo").click()
    page.locator(".kv-status .kv-done", has_text="as they were given").wait_for()
    assert explorer.ask("explorer.grouping == grouping")


def test_pictures_follow_the_theme(explorer: LabPage):
    light = explorer.show(".kv-right img.kv-picture").get_attribute("src")
    explorer.theme("JupyterLab Dark")
    assert explorer.page.locator(".kv-right img.kv-picture").get_attribute("src") != light


def test_the_slider_changes_picture_and_grouping(explorer: LabPage):
    page = explorer.page
    before, n_before = pixels(page), explorer.ask("explorer.grouping.n_groups(explorer.layer)")
    drawn = page.locator(".kv-matrix").get_attribute("data-drawn")
    sizes = page.locator(".kv-right img.kv-picture").get_attribute("src")
    explorer.show(".kv-groups .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "was => document.querySelector('.kv-map-points').toDataURL() !== was", arg=before
    )
    page.wait_for_function(
        "was => document.querySelector('.kv-right img.kv-picture').src !== was", arg=sizes
    )
    assert page.locator(".kv-matrix").get_attribute("data-drawn") != drawn
    assert explorer.ask("explorer.grouping.n_groups(explorer.layer)") == n_before + 1


def test_rows_of_the_matrix_select_in_the_map(explorer: LabPage):
    page = explorer.page
    box = explorer.show(".kv-matrix-over").bounding_box()
    assert box is not None
    x, row = box["x"] + box["width"] / 2, (box["height"] - 22) / 32
    page.mouse.move(x, box["y"] + 6 + 0.5 * row)
    page.mouse.down()
    page.mouse.move(x, box["y"] + 6 + 2.5 * row)
    page.mouse.up()
    page.locator(".kv-map-count", has_text="3 of 32 neurons selected").wait_for()
    order = explorer.ask("explorer.similarity.frame().index[:3].tolist()")
    assert explorer.becomes("explorer.map.selected.tolist()", sorted(order))


def test_the_map_is_reached_by_keyboard(explorer: LabPage):
    page = explorer.page
    explorer.show(OVER).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.locator(".kv-map-count", has_text="1 of 32 neurons selected").wait_for()
    page.keyboard.press("g")
    page.locator(".kv-map-table summary").click()
    rows = page.locator(".kv-map-rows tbody tr")
    number = int(page.locator(".kv-map-count").inner_text().split()[0])
    expect(rows).to_have_count(number)
    groups = rows.locator("td:nth-child(2)").all_inner_texts()
    assert len(set(groups)) == 1
    assert explorer.becomes("explorer.map.selected.size", len(groups))
    explorer.show(OVER).focus()
    page.keyboard.press("Escape")
    page.locator(".kv-map-count", has_text="32 neurons").wait_for()
    assert explorer.becomes("explorer.map.selected.tolist()", [])

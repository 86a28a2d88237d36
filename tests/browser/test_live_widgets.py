"""Views on a page of the documentation: no kernel and no server, only the state that was saved."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from chromium import opened
from ipywidgets import HTML, VBox
from ipywidgets.embed import dependency_state
from playwright.sync_api import expect

from kshot_viz.activations import Activations, LayerActivations
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.widgets import NeuronMap
from kshot_viz.widgets.explorer.neuron_map import SimilarityMatrix

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SITE = Path(__file__).parents[2] / "docs" / "site"
PAGE = """<!doctype html><html data-theme="light"><head><meta charset="utf-8">
<link rel="stylesheet" href="{site}/_static/site.css">
<script src="{site}/_static/live_widgets.js"></script></head><body><div class="bd-article">
<div class="cell_output"><img alt="kept" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">
<script type="application/vnd.jupyter.widget-view+json">{view}</script></div></div>
<script type="application/vnd.jupyter.widget-state+json">{state}</script></body></html>"""


def small_state(body: str) -> str:
    spec = importlib.util.spec_from_file_location("public_pages", SITE / "_ext/public_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.small_state(body)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page as the site has it, with a map and a matrix of four neurons in a row."""
    points = np.array([[0, 0], [1, 0.1], [2, 0.1], [3, 0]], np.float32)
    layer = LayerActivations(points, points.mean(axis=1), points.std(axis=1), 2)
    activations, groups = Activations({"row": layer}, "grid", 2), Grouping({"row": [0, 1, 2, 2]})
    views = NeuronMap(activations, "row", groups), SimilarityMatrix(activations, "row", groups)
    box = VBox([HTML("</script>needs no live view"), *views])
    state = {
        "version_major": 2,
        "version_minor": 0,
        "state": dependency_state(box, drop_defaults=False),
    }
    kept = small_state(json.dumps(state))
    assert "needs no live view" not in kept
    path = tmp_path_factory.mktemp("page") / "page.html"
    view = json.dumps({"model_id": box.model_id})
    path.write_text(PAGE.format(site=SITE.as_uri(), view=view, state=kept), "utf-8")
    return path


@pytest.fixture
def page(browser: Browser, saved: Path) -> Iterator[Page]:
    with opened(browser, "file:") as (found, refused):
        found.goto(saved.as_uri())
        found.locator(".kv-map[data-drawn]").wait_for()
        yield found
    assert refused == []


def test_a_rectangle_selects_without_a_kernel(page: Page):
    expect(page.locator(".kv-live")).to_have_count(1)
    page.get_by_role("button", name="Rectangle").click()
    box = page.locator(".kv-map-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
    page.mouse.up()
    expect(page.locator(".kv-map-count")).to_have_text("2 of 4 neurons selected")
    page.locator(".kv-map-table summary").click()
    expect(page.locator(".kv-map-rows tbody tr")).to_have_count(2)


def test_the_picture_of_a_live_view_is_folded_and_the_matrix_is_drawn(page: Page):
    expect(page.get_by_alt_text("kept")).to_be_hidden()
    page.get_by_text("The picture that the notebook keeps").click()
    expect(page.get_by_alt_text("kept")).to_be_visible()
    painted = """() => {
      const last = [...document.querySelectorAll('.kv-live canvas')].at(-1);
      const found = last.getContext('2d').getImageData(0, 0, last.width, last.height).data;
      return found.some((one) => one > 0);
    }"""
    page.wait_for_function(painted)

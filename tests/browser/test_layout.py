"""All dashboards at five widths and in both themes; what a notebook shows without a kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from lab_page import LabPage

SUPPORT = Path(__file__).parents[1] / "support"
WIDTHS = (700, 1024, 1280, 1920, 2560)
CELLS = (
    f"""
import sys
sys.path.insert(0, {str(SUPPORT)!r})
import kshot_viz as kv
from kshot_viz.grouping.editing.history import named
from hand_study import hand_study
from small_comparison import hand_made
from small_search import small_search
data = kv.load_dataset("digits")
episodes = kv.sample_episodes(data, way=5, shot=1, query=5, n=2, seed=0)
backbone = kv.load_backbone("glyphnet")
source = kv.load_dataset("glyphs", per_class=1)
acts = kv.capture_activations(backbone, source)
grouping = kv.cluster_neurons(acts, n_groups=0.5, seed=0)
config = kv.FinetuneConfig(steps=3, layer_lr={{"blocks.0.conv": 0.0, "blocks.1.conv": 0.3}})
""",
    """
explorer = kv.GroupExplorer(
    backbone, acts, kv.Candidate(grouping, config, name="searched"), source, episodes, data=data,
    executor="serial",
)
explorer.select([0, 1, 2])
explorer.edit("group")
explorer.edit("name", "a name of forty letters, the longest one")
explorer.wait(120)
explorer
""",
    """
search = small_search("memory")
monitor = kv.SearchMonitor(search)
search.run()
monitor.view = "chosen"
monitor.wait(60)
monitor
""",
    "empty = kv.SearchMonitor(small_search('memory'))\nempty",
    """
support, query = episodes[0].split(data)
inside = kv.AlignmentMonitor(
    backbone, support, images=query, config=config, at=(0, 3), draws=1,
    methods=["plain", kv.Candidate(name="a name of forty letters, the longest one")],
)
inside.start()
inside.wait(120)
inside
""",
    """
from kshot_viz.analysis import activation_points
few = data.take(range(300))
points = activation_points(backbone, few, "blocks.3.conv")
before = activation_points(backbone, few, "blocks.2.conv")
mapper = kv.MapperExplorer(before, images=few, after=points, intervals=8)
mapper.select(mapper.graphs[1].nodes[2].members)
mapper.wait(60)
mapper
""",
    """
from described import TEXTS, letters
images, support = letters()
names = {"a name of forty letters, the longest one": "latin small g with horn and acute"}
words = kv.WordsToNetwork(backbone, images, TEXTS | names, support=support, shot=2)
words.wait(60)
words.add("new", "latin small a with tildo and cedila and ogonekk and a word of many letters")
words
""",
    "view = kv.KShotComparison(hand_made())\nview",
    "study = kv.KShotComparison(hand_study())\nstudy",
    "regret = kv.KShotComparison(hand_study())\nregret.view = 'regret'\nregret.wait(60)\nregret",
)
# Scrollbars, and texts that are wider than what they stand in; tables of numbers may scroll.
TOO_WIDE = """() => {
  const found = [];
  const brush = document.createElement('canvas').getContext('2d');
  const name = one => `${one.tagName}.${one.className}: ${one.textContent.slice(0, 60)}`;
  for (const one of document.querySelectorAll('.jp-Notebook, .jp-Notebook *')) {
    const over = one.scrollWidth - one.clientWidth;
    if (over <= 0 || !one.clientWidth || one.closest('.cm-editor')) continue;
    const style = getComputedStyle(one);
    const scrolls = ['auto', 'scroll'].includes(style.overflowX);
    if (scrolls) found.push(`scrollbar, ${over} px: ${name(one)}`);
    const cut = style.overflowX === 'hidden' && style.clipPath === 'none' && one.textContent.trim();
    if (cut && one.closest('.kv-dashboard')) found.push(`clipped, ${over} px: ${name(one)}`);
  }
  for (const one of document.querySelectorAll('.kv-dashboard select')) {
    const text = one.selectedOptions[0]?.textContent ?? '';
    brush.font = getComputedStyle(one).font;
    const room = one.clientWidth - brush.measureText(text).width;
    if (one.clientWidth && room < 16) found.push(`clipped choice: ${text}`);
  }
  return found;
}"""
SAVE = """async () => {
  await window.jupyterapp.commands.execute('docmanager:save');
  const session = window.jupyterapp.shell.currentWidget.sessionContext;
  await session.shutdown();
}"""
READY = "() => window.jupyterapp !== undefined"
PICTURES = ".jp-OutputArea-child .jp-RenderedImage img"


@pytest.fixture(scope="module")
def shown(opened_notebook: Any) -> Iterator[LabPage]:
    with opened_notebook("layout.ipynb", CELLS) as lab:
        for part in (".kv-explorer", ".kv-graph", ".kv-words", ".kv-choose-view"):
            lab.show(part)
            lab.page.locator(part).first.wait_for()
        yield lab


def test_no_width_and_no_theme_has_a_scrollbar_or_cuts_a_label(shown: LabPage):
    page, found = shown.page, {}
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.set_viewport_size({"width": 1280, "height": 1000})
        shown.theme(theme)
        for width in WIDTHS:
            # So tall that all cells are drawn.
            page.set_viewport_size({"width": width, "height": 6000})
            page.wait_for_timeout(600)
            if shots := os.environ.get("KSHOT_SHOTS"):
                page.screenshot(path=f"{shots}/{theme[11:]}-{width}.png")
            if wrong := page.evaluate(TOO_WIDE):
                found[theme, width] = wrong
    shown.theme("JupyterLab Light")
    assert found == {}


# The last one, for it ends the kernel.
def test_a_notebook_keeps_pictures_for_those_without_a_kernel(shown: LabPage):
    page = shown.page
    page.set_viewport_size({"width": 1280, "height": 6000})
    pictures = page.locator(PICTURES)
    expect(pictures).to_have_count(9)
    # The live view stands for its picture.
    for index in range(9):
        expect(pictures.nth(index)).to_be_hidden()
    page.evaluate(SAVE)
    page.reload()
    page.locator(".jp-NotebookPanel .jp-Notebook").first.wait_for()
    page.wait_for_function(READY)
    expect(page.locator(".kv-dashboard")).to_have_count(0)
    expect(pictures).to_have_count(9)
    for index in range(9):
        expect(pictures.nth(index)).to_be_visible()
        assert pictures.nth(index).evaluate("one => one.naturalWidth") > 400

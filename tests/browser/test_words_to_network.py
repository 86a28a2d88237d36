"""Descriptions typed in JupyterLab: predictions, messages, images that join, files, both themes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab_page import LabPage
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator

SUPPORT = Path(__file__).parents[1] / "support"
SET_UP = f"""
import sys
sys.path.insert(0, {str(SUPPORT)!r})
import kshot_viz as kv
from described import TEXTS, backbone, letters
images, support = letters()
"""
SHOW = "shown = kv.WordsToNetwork(backbone(), images, TEXTS, support=support)\nshown"
# Where the first image is: what the script drew it at.
SPOT = "() => document.querySelector('.kv-prototypes').dataset.first.split(',').map(Number)"
THEMES = ("JupyterLab Light", "JupyterLab Dark")


@pytest.fixture
def words(cell: Callable[[str], LabPage]) -> LabPage:
    lab = cell(SHOW)
    lab.show(".kv-words")
    lab.page.locator(".kv-prototypes[data-drawn]").wait_for()
    return lab


def text(lab: LabPage, number: int) -> Locator:
    return lab.page.locator(".kv-class-text input").nth(number)


def said(lab: LabPage, number: int) -> Locator:
    return lab.page.locator(".kv-class-row .kv-said").nth(number)


@pytest.mark.parametrize("theme", THEMES)
def test_a_typed_text_changes_predictions_and_the_picture(words: LabPage, theme: str):
    words.theme(theme)
    page = words.page
    images = page.locator(".kv-prediction")
    expect(images).to_have_count(12)
    right = page.locator(".kv-prediction.kv-right").count()
    drawn = page.locator(".kv-prototypes").get_attribute("data-drawn")
    text(words, 0).fill("latin small n with acute")
    expect(said(words, 0)).to_contain_text("acute")
    expect(page.locator(".kv-prediction.kv-right")).not_to_have_count(right)
    page.wait_for_function(
        "was => document.querySelector('.kv-prototypes').dataset.drawn !== was", arg=drawn
    )
    assert words.ask("shown.descriptions['a']") == "latin small n with acute"
    wrong = page.locator(".kv-prediction.kv-wrong").first
    expect(wrong).to_contain_text("✗")
    expect(wrong).to_have_css("border-bottom-style", "dashed")


def test_an_unknown_word_is_named_where_it_is_typed_and_repaired(words: LabPage):
    page = words.page
    text(words, 1).fill("latin small d with cedila")
    expect(said(words, 1)).to_contain_text("'cedila' (nearest known: 'cedilla')")
    expect(said(words, 0)).to_contain_text("latin")
    assert words.ask("shown.descriptions['d']") == "latin small d"
    page.get_by_role("button", name="→ cedilla").click()
    expect(said(words, 1)).to_contain_text("cedilla")
    expect(said(words, 1).locator(".kv-word")).to_have_count(5)
    expect(text(words, 1)).to_have_value("latin small d with cedilla")


def test_the_keyboard_does_everything(words: LabPage):
    page = words.page
    text(words, 5).focus()
    page.keyboard.press("End")
    page.keyboard.type(" with ac")
    expect(said(words, 5)).to_contain_text("acute")
    expect(said(words, 5).locator(".kv-idle")).to_have_count(1)
    page.keyboard.type("ute")
    expect(said(words, 5).locator(".kv-word")).to_have_count(5)
    assert words.becomes("shown.descriptions['n']", "latin small n with acute")
    # Name, text and the button that removes follow each other.
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert words.becomes("list(shown.descriptions)", list("adefh"))
    slider = page.locator(".kv-shot [role=slider]")
    slider.focus()
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    assert words.becomes("shown.shot", 2)
    expect(page.locator(".kv-words .kv-done")).to_contain_text("With 2 images of each class")
    words.show(".kv-prototypes .kv-map-over").focus()
    live = page.locator(".kv-prototypes .kv-map-live")
    page.keyboard.press("ArrowRight")
    expect(live).not_to_have_text("")


def test_letters_are_composed_and_hover_names_a_point(words: LabPage):
    page = words.page
    page.locator(".kv-base input").fill("latin small d")
    page.locator(".kv-mark input").fill("caron")
    page.get_by_role("button", name="Add letter").click()
    assert words.becomes("shown.descriptions.get('ď')", "latin small d with caron")
    expect(said(words, 6)).to_contain_text("No image of this class")
    expect(page.locator(".kv-prototypes .kv-map-count")).to_have_text("12 images, 7 prototypes")
    box = words.show(".kv-prototypes .kv-map-over").bounding_box()
    assert box is not None
    spot = page.evaluate(SPOT)
    page.mouse.move(box["x"] + spot[0], box["y"] + spot[1])
    expect(page.locator(".kv-prototypes .kv-map-tip")).to_contain_text("image 0, a")


def test_files_are_handed_to_the_browser(words: LabPage, tmp_path: Path):
    for name, file in (("Descriptions", "descriptions.json"), ("Network", "network.zip")):
        with words.page.expect_download() as started:
            words.page.locator(".kv-download", has_text=name).click()
        assert started.value.suggested_filename == file
        started.value.save_as(tmp_path / file)
    found = json.loads((tmp_path / "descriptions.json").read_text("utf-8"))
    assert found == words.ask("shown.descriptions")
    assert (tmp_path / "network.zip").stat().st_size > 10_000

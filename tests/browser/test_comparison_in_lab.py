"""KShotComparison under the hand of a user: other shots, other views, files that arrive whole."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pandas as pd
from playwright.sync_api import expect

TESTS = Path(__file__).parents[1] / "support"
START = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from small_comparison import ANSWERS, hand_data, hand_made
from kshot_viz import KShotComparison
"""
PICTURE = ".kv-dashboard .kv-picture"


def turned(page, act) -> None:
    """Do something, and wait until the picture is another one."""
    before = page.locator(PICTURE).get_attribute("src")
    act()
    page.wait_for_function(
        "([where, src]) => document.querySelector(where)?.src !== src", arg=[PICTURE, before]
    )


def view(page, name: str):
    return page.locator(".kv-choose-view button", has_text=name)


def test_shots_are_switched_and_a_file_is_saved(notebook, tmp_path):
    lab = notebook(START, "view = KShotComparison(hand_made())\nview")
    page = lab.page
    lab.show(PICTURE)
    expect(page.locator(".kv-table")).to_contain_text("head only")
    turned(page, view(page, "Episode by episode").click)
    page.locator(".kv-choose-shot select").select_option("5")
    expect(page.locator(".kv-table tbody tr").first).to_have_text(re.compile("35head only"))
    assert lab.ask("(view.view, view.shot)") == ("episodes", 5)

    with page.expect_download() as csv:
        page.get_by_role("button", name="Save the numbers behind the picture as CSV").click()
    arrived = pd.read_csv(csv.value.path())
    known = pd.read_csv(io.StringIO(lab.ask("view.frame().to_csv(index=False)")))
    assert set(arrived.pop("measure")) == {"accuracy"}
    assert arrived.pop("difference_to").isna().all()
    pd.testing.assert_frame_equal(arrived, known)
    assert csv.value.suggested_filename == "comparison_episodes_5_shot.csv"

    with page.expect_download() as html:
        page.get_by_role("button", name="Save the whole comparison as one page").click()
    saved = tmp_path / "comparison.html"
    html.value.save_as(saved)
    page.goto(saved.as_uri())
    expect(page.get_by_role("heading", level=1)).to_contain_text("toy, toynet: 3 methods")
    pictures = page.locator("figure img")
    widths = pictures.evaluate_all("all => all.map(one => one.naturalWidth)")
    assert len(widths) == 5
    assert min(widths) > 400


def test_pairs_and_methods_follow_the_boxes(notebook):
    lab = notebook(START, "view = KShotComparison(hand_made())\nview")
    page = lab.page
    lab.show(PICTURE)
    turned(page, page.get_by_label("paired differences").check)
    assert lab.ask("view.paired") is True
    turned(page, page.get_by_label("head only").uncheck)
    assert lab.ask("view.methods") == ("plain", "grouped")
    expect(page.locator(".kv-choose-reference select")).to_be_visible()


def test_names_with_html_in_them_stay_text(notebook):
    evil = "<img src=x onerror=window.taken=1>"
    lab = notebook(
        START,
        f"""
from kshot_viz.data.dataset import ImageDataset
data = hand_data()
named = ImageDataset.from_arrays(
    data.images, data.targets, classes=[{evil!r}, "b", "c"], name={evil!r}
)
answers = {{"plain": ANSWERS["plain"], {evil!r}: ANSWERS["grouped"]}}
view = KShotComparison(hand_made(data=named, answers=answers))
view
""",
    )
    page = lab.page
    lab.show(PICTURE)
    for name in ("Episode by episode", "Confusion", "Changed predictions", "Against shots"):
        turned(page, view(page, name).click)
    expect(page.locator(".kv-table")).to_contain_text(evil)
    assert page.evaluate("window.taken") is None

"""Fine-tuning watched from inside in JupyterLab: it is stopped, goes on, and changes measure."""

from __future__ import annotations

from playwright.sync_api import expect

START = """
import kshot_viz as kv
data, backbone = kv.load_dataset("digits"), kv.load_backbone("glyphnet")
support, query = kv.sample_episodes(data, way=5, shot=1, query=5, n=1, seed=0)[0].split(data)
"""
WATCH = """
inside = kv.AlignmentMonitor(
    backbone, support, images=query, config=kv.FinetuneConfig(steps=200), draws=1,
    at=range(201), methods=["plain"], layers=["blocks.1.conv", "blocks.2.conv"],
)
inside
"""
PICTURE = ".kv-dashboard .kv-picture"


def moves(page) -> None:
    """Wait until the picture is another one."""
    before = page.locator(PICTURE).get_attribute("src")
    page.wait_for_function(
        "([where, src]) => { const one = document.querySelector(where);"
        " return one && one.src !== src; }",
        arg=[PICTURE, before],
    )


def test_it_is_stopped_goes_on_and_shows_another_measure(notebook):
    lab = notebook(START, WATCH)
    lab.show(PICTURE)
    page = lab.page
    start, stop = page.locator(".kv-start"), page.locator(".kv-stop")
    expect(stop).to_be_disabled()
    start.click()
    moves(page)
    moves(page)
    stop.click()
    expect(start).to_have_text("Go on")
    assert lab.ask("inside.wait(60)") is True
    measured = lab.ask("inside.measured")
    assert 1 < measured < 201
    start.click()
    moves(page)
    page.locator(".kv-choose-measure select").select_option("gradient agreement")
    moves(page)
    assert lab.ask("inside.measure") == "gradient agreement"
    expect(page.locator(".kv-dashboard")).to_contain_text("ask for the same change")
    stop.click()
    expect(start).to_have_text("Go on")
    assert lab.ask("inside.measured") > measured

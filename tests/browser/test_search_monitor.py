"""A real search watched in JupyterLab: it runs beside the kernel and outlives the page."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest
from lab_page import CONNECTED
from playwright.sync_api import expect

TESTS = Path(__file__).parents[1] / "support"
START = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from small_search import small_search
from kshot_viz import SearchMonitor
"""
WATCH = """
search = small_search("search.journal", budget=100000, sampler="random")
monitor = SearchMonitor(search)
monitor
"""
CURVE = ".kv-dashboard .kv-picture"
REPLY_TIME = """async () => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const begin = performance.now();
  await kernel.requestExecute({code: '1+1', store_history: false}).done;
  return performance.now() - begin;
}"""
INTERRUPT = """async () => {
  await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt();
}"""
SAVE = "async () => { await window.jupyterapp.commands.execute('docmanager:save'); }"


def state(page):
    return page.locator(".kv-state")


def moves(page) -> None:
    """Wait until the curve is another picture."""
    before = page.locator(CURVE).first.get_attribute("src")
    page.wait_for_function(
        "([where, src]) => { const one = document.querySelector(where);"
        " return one && one.src !== src; }",
        arg=[CURVE, before],
    )


@pytest.fixture
def watched(notebook):
    lab = notebook(START, WATCH)
    lab.show(CURVE)
    yield lab
    lab.page.evaluate(
        "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }"
    )


def press(page, name: str) -> None:
    page.locator(f".kv-{name}").click()


def test_start_pause_resume_stop_while_the_kernel_replies(watched):
    page = watched.page
    expect(state(page)).to_have_text("not started")
    press(page, "start")
    moves(page)
    expect(state(page)).to_have_text("running")
    assert median(page.evaluate(REPLY_TIME) for _ in range(5)) < 500
    moves(page)

    press(page, "pause")
    expect(state(page)).to_have_text("paused")
    assert watched.ask("search.state") == "paused"
    press(page, "resume")
    expect(state(page)).to_have_text("running")
    moves(page)

    press(page, "stop")
    expect(state(page)).to_have_text("stopped")
    assert watched.ask("search.wait(60) and monitor.wait(60)") is True
    assert watched.ask("monitor.rollouts == len(search.result.rollouts) > 0") is True
    expect(page.locator(".kv-start")).to_have_text("Go on")


def test_a_page_that_is_loaded_again_goes_on_watching(watched):
    page = watched.page
    press(page, "start")
    moves(page)
    page.evaluate(SAVE)
    page.reload()
    page.locator(".jp-NotebookPanel .jp-Notebook").first.wait_for()
    page.wait_for_function("() => window.jupyterapp !== undefined")
    page.evaluate(CONNECTED)
    watched.show(CURVE)
    expect(state(page)).to_have_text("running")
    moves(page)
    press(page, "stop")
    expect(state(page)).to_have_text("stopped")
    assert watched.ask("search.state") == "stopped"


def test_an_interrupt_of_the_kernel_leaves_the_search_alone(watched):
    page = watched.page
    press(page, "start")
    moves(page)
    page.evaluate(INTERRUPT)
    moves(page)
    assert watched.ask("(search.state, search.error)") == ("running", None)
    press(page, "stop")
    expect(state(page)).to_have_text("stopped")

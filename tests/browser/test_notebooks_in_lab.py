"""Every notebook from top to bottom in a real JupyterLab, with its widgets drawn."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from lab_page import LabPage
from playwright.sync_api import expect

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_without_an_error_in_any_cell_or_widget(page, lab, path):
    shutil.copy(path, lab.root / path.name)
    opened = LabPage.open(page, lab, path.name)
    assert opened.run_all() == []
    expect(page.get_by_text("Click to show javascript error")).to_have_count(0)
    assert page.locator(".kv-error").all_inner_texts() == []
    page.evaluate(
        "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }"
    )

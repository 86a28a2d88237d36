"""Every notebook runs headless, and no error hides in an output or a widget."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nbformat
import pytest
from chromium import NAMES

IN_BROWSER = any(map(shutil.which, NAMES))
# What prints a conclusion: of comparisons, and of graphs.
PRINTED = ("viz.findings_text(", "node_purity(")
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def hidden_errors(notebook) -> list[str]:
    """Find errors that a green run can hide: outputs, tracebacks on stderr, widget state."""
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    widgets = notebook.metadata.get("widgets", {})
    state = widgets.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    outputs += [o for widget in state.values() for o in widget["state"].get("outputs", [])]
    return [
        str(o)
        for o in outputs
        if o["output_type"] == "error"
        or (o.get("name") == "stderr" and "Traceback" in o.get("text", ""))
    ]


def test_the_check_sees_a_hidden_error():
    cell = nbformat.v4.new_code_cell()
    cell.outputs = [nbformat.v4.new_output("stream", name="stderr", text="Traceback (most ...")]
    assert hidden_errors(nbformat.v4.new_notebook(cells=[cell]))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_short(path):
    assert len(nbformat.read(path, 4).cells) < 25


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_light(path):
    notebook = nbformat.read(path, 4)
    stored = [nbformat.from_dict(cell.get("outputs", [])) for cell in notebook.cells]
    assert len(json.dumps(stored)) < 200_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_conclusion_is_printed_from_the_numbers(path):
    cells = nbformat.read(path, 4).cells
    (at,) = [i for i, one in enumerate(cells) if one.source.startswith("## What this showed")]
    assert at >= len(cells) - 3
    assert cells[at + 1].cell_type == "code"
    assert any(one in cells[at + 1].source for one in PRINTED)


@pytest.mark.slow
@pytest.mark.skipif(IN_BROWSER, reason="notebooks run in the browser where there is one")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path, tmp_path):
    from nbclient import NotebookClient

    notebook = nbformat.read(path, 4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    assert hidden_errors(notebook) == []

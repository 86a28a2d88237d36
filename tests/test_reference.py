"""Every public name is on a page of the reference, with an example that runs."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import kshot_viz
from kshot_viz import analysis, trackers, viz
from kshot_viz.methods import registry

FOLDER = Path(__file__).parents[1] / "docs" / "site" / "reference"
PAGES = sorted(FOLDER.glob("*.rst"))
# The others take a few seconds at most.
SLOW = {"analysis", "comparing", "dashboards", "searching", "viz_comparison", "viz_inside", "words"}
ENTRY = re.compile(r"^\.\. auto(?:class|function|exception):: (\S+)\n", re.MULTILINE)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def entries(page: Path) -> dict[str, str]:
    """Return what stands under each name of a page."""
    _, *parts = ENTRY.split(page.read_text("utf-8"))
    return dict(zip(parts[::2], parts[1::2], strict=True))


def public() -> set[str]:
    modules = (kshot_viz, analysis, trackers, viz)
    return {f"{one.__name__}.{name}" for one in modules for name in one.__all__}


def test_every_public_name_is_on_one_page():
    listed = [name for page in PAGES for name in entries(page)]
    assert sorted(listed) == sorted(public())


@pytest.mark.parametrize("page", PAGES, ids=lambda one: one.stem)
def test_every_name_has_an_example_that_uses_it(page):
    for name, text in entries(page).items():
        lines = re.findall(r"^   (?:>>>|\.\.\.)(.*)$", text, re.MULTILINE)
        short = name.rpartition(".")[2]
        used = re.compile(rf"\b{short}\b") if short[0].islower() else re.compile(".")
        assert any(used.search(line) for line in lines), name


def _marked(page: Path):
    marks = [pytest.mark.slow] if page.stem in SLOW else []
    return pytest.param(page, id=page.stem, marks=marks)


@pytest.mark.parametrize("page", [_marked(page) for page in PAGES])
def test_examples_run(page, tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    # A method that an example registers must not reach other tests; those of the package must.
    kshot_viz.list_methods()
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    test = doctest.DocTestParser().get_doctest(
        page.read_text("utf-8"), {"__name__": "__main__"}, page.stem, str(page), 0
    )
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append)
    plt.close("all")
    assert result.attempted
    assert not result.failed, "".join(said)

"""One JupyterLab and one Chromium for all tests here; no test may ask for a foreign address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chromium import launched, opened
from lab_page import LabPage
from lab_server import Server, jupyterlab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)
            # A loop or a pipe of the browser's driver may be tidied up late.
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


@pytest.fixture(scope="session")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab; after ``browser``, so that it is not started in vain."""
    with jupyterlab(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture
def page(browser: Browser, lab: Server) -> Iterator[Page]:
    """A page that sees our own server only; asking for any other address fails the test."""
    with opened(browser, lab.base) as (found, refused):
        yield found
    lab.end_kernels()
    assert refused == []


@pytest.fixture
def notebook(page: Page, lab: Server, request: pytest.FixtureRequest) -> Callable[..., LabPage]:
    """Open a notebook made of these cells, run it, and look for errors."""

    def run(*cells: str, name: str = "") -> LabPage:
        file = lab.write(name or f"{request.node.name}.ipynb", cells)
        opened_page = LabPage.open(page, lab, file)
        assert opened_page.run_all() == []
        return opened_page

    return run

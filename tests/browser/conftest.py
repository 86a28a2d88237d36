"""One JupyterLab and one Chromium for all tests here; no test may ask for a foreign address."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


@contextmanager
def guarded(browser: Browser, lab: Server) -> Iterator[Page]:
    """A page that sees our own server only; asking for any other address is a failure."""
    with opened(browser, lab.base) as (found, refused):
        yield found
    lab.end_kernels()
    assert refused == []


@pytest.fixture
def page(browser: Browser, lab: Server) -> Iterator[Page]:
    with guarded(browser, lab) as found:
        yield found


@pytest.fixture(scope="session")
def opened_notebook(
    browser: Browser, lab: Server
) -> Callable[..., AbstractContextManager[LabPage]]:
    """A notebook of a name, made of these cells, that has run; open until the block is left."""

    @contextmanager
    def run(name: str, cells: Sequence[str]) -> Iterator[LabPage]:
        with guarded(browser, lab) as found:
            opened_page = LabPage.open(found, lab, lab.write(name, cells))
            assert opened_page.run_all() == []
            yield opened_page

    return run


@pytest.fixture(scope="module")
def kernel(opened_notebook: Any, request: pytest.FixtureRequest) -> Iterator[LabPage]:
    """A notebook for all tests of a module: its ``SET_UP`` has run, and its last cell is free."""
    module = request.module
    with opened_notebook(f"{module.__name__}.ipynb", [module.SET_UP, "pass"]) as found:
        yield found


@pytest.fixture
def cell(kernel: LabPage) -> Iterator[Callable[[str], LabPage]]:
    """Run a source in the last cell of that notebook, instead of what was there before."""

    def run(source: str) -> LabPage:
        assert kernel.run_last(source) == []
        return kernel

    yield run
    kernel.theme("JupyterLab Light")


@pytest.fixture
def notebook(
    opened_notebook: Any, request: pytest.FixtureRequest
) -> Iterator[Callable[..., LabPage]]:
    """Open a notebook made of these cells for one test, run it, and look for errors."""
    with ExitStack() as stack:
        yield lambda *cells: stack.enter_context(
            opened_notebook(f"{request.node.name}.ipynb", cells)
        )

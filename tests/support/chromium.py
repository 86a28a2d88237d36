"""Debian's Chromium, driven by Playwright; every address but our own server's is refused."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


def executable() -> str:
    """Return Chromium's path; without it the test is skipped, and in CI it fails."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None and os.environ.get("CI"):
        pytest.fail("CI needs Chromium: apt-get install chromium fonts-dejavu-core")
    if found is None:
        pytest.skip("Chromium is not installed, so nothing was tried in a browser")
    return found


@contextmanager
def launched() -> Iterator[Browser]:
    """Run Chromium until the block is left."""
    path = executable()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, base: str, *, width: int = 1400, height: int = 1000
) -> Iterator[tuple[Page, list[str]]]:
    """Open a page that reaches ``base`` only; yield it with the addresses it was refused."""
    refused: list[str] = []

    def gate(route: Route) -> None:
        if route.request.url.startswith(base):
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    context = browser.new_context(
        viewport={"width": width, "height": height}, accept_downloads=True
    )
    context.route(re.compile("^https?:"), gate)
    page = context.new_page()
    # Beside eight busy processes a page with a kernel takes more than a minute.
    page.set_default_timeout(240_000)
    try:
        yield page, refused
    finally:
        context.close()

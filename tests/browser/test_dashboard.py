"""The dashboards as a page of their own, served by Voila without any other server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chromium import opened
from command_line import COMMAND, make_pictures, make_weights
from lab_server import free_port, own_folders, running
from playwright.sync_api import expect

ADDRESS = re.compile(r"(http:" + r"//127\.0\.0\.1:\d+)/\S*\?token=(\w+)")


@pytest.fixture
def served(tmp_path):
    """The address of the page, and the token that the server printed."""
    pictures, weights = make_pictures(tmp_path / "zoo"), make_weights(tmp_path / "net.safetensors")
    words = ["--weights", weights, "--preprocess", "glyphs", "--size", 16, "--query", 5]
    words += ["--episodes", 2, "--groups", 0.2, "--out", tmp_path / "out", "--port", free_port()]
    command = [*COMMAND, "dashboard", pictures, *words]
    env = own_folders(tmp_path)
    with running([*map(str, command)], env, Path.cwd(), ready="?token=") as log:
        base, token = ADDRESS.search("".join(log)).groups()
        yield base, token


def test_three_views_and_nothing_fetched_from_elsewhere(browser, served):
    base, token = served
    with opened(browser, base) as (page, refused):
        page.goto(f"{base}/?token={token}")
        choice = page.locator(".kv-choose-dashboard")
        expect(choice).to_be_visible()
        expect(page.locator(".kv-explorer")).to_be_visible()
        choice.get_by_text("Search").click()
        # It is made at this first look.
        expect(page.locator(".kv-state")).to_have_text("not started", timeout=60_000)
        choice.get_by_text("k-shot accuracy").click()
        expect(page.get_by_text("Compare the methods")).to_be_visible()
    assert refused == []


def test_nobody_comes_in_without_the_token(browser, served):
    base, _ = served
    with opened(browser, base) as (page, refused):
        page.goto(f"{base}/")
        expect(page.locator(".kv-dashboard")).to_have_count(0)
        assert "login" in page.url
    assert refused == []

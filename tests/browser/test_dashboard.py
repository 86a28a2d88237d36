"""The dashboards as a page of their own, served by Voila without any other server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chromium import opened
from command_line import make_pictures, make_weights
from lab_server import free_port, own_folders, running
from playwright.sync_api import expect

from kshot_viz.cli.requests import TaskRequest
from kshot_viz.cli.servers import prepare, voila_command, voila_environment

ADDRESS = re.compile(r"(http:" + r"//127\.0\.0\.1:\d+)/\S*\?token=(\w+)")


@pytest.fixture
def served(tmp_path):
    """The address of the page, and the token that the server printed."""
    pictures, weights = make_pictures(tmp_path / "zoo"), make_weights(tmp_path / "net.safetensors")
    request = TaskRequest(
        folder=str(pictures),
        backbone="glyphnet",
        weights=str(weights),
        preprocess="glyphs",
        size=16,
        shots=(1,),
        way=None,
        query=5,
        episodes=2,
        source=None,
        groups=0.2,
        skip_bad=False,
        seed=0,
    )
    prepare(request, tmp_path / "out")
    command = voila_command(tmp_path / "out", port=free_port())
    env = {**own_folders(tmp_path), "JUPYTER_PATH": voila_environment()["JUPYTER_PATH"]}
    with running(command, env, Path.cwd(), ready="?token=") as log:
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
        expect(page.locator(".kv-state")).to_have_text("not started")
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

"""The documented command opens Optuna's dashboard on a search, also while it goes on."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from small_search import small_search

PAGE = Path(__file__).parents[2] / "docs" / "trackers.md"
# Seconds until the server has to be there, on a machine that is very busy.
START = 60


@contextmanager
def dashboard(command):
    """Start the command; yield what asks its address, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program, *rest = shlex.split(command)
    call = [str(Path(sys.executable).with_name(program)), *rest, "--port", str(port)]
    nowhere = subprocess.DEVNULL
    server = subprocess.Popen(call, stdout=nowhere, stderr=nowhere)
    # The proxy of a machine is for other machines.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(path):
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=START) as response:
            return response.read()

    try:
        end = time.monotonic() + START
        while True:
            try:
                ask("/api/meta")
                break
            except OSError:
                assert server.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
        yield ask
    finally:
        server.terminate()
        server.wait(START)


@pytest.mark.slow
def test_the_documented_command_shows_a_search_that_goes_on(tmp_path, monkeypatch):
    (command,) = re.findall(r"^(?:\.venv/bin/)?(optuna-dashboard .*)$", PAGE.read_text(), re.M)
    monkeypatch.chdir(tmp_path)
    journal = Path(command.split()[1])
    journal.parent.mkdir()
    small_search(journal, budget=4).run()
    before = journal.read_bytes()
    with dashboard(command) as ask:
        (study,) = json.loads(ask("/api/studies"))["study_summaries"]
        assert study["directions"] == ["maximize"]
        assert journal.read_bytes() == before
        whole = small_search(journal, budget=8).run()
        # Asked for once: the dashboard keeps trials for some seconds.
        shown = json.loads(ask(f"/api/studies/{study['study_id']}"))["trials"]
        assert [one["values"][0] for one in shown] == whole.history["reward"].tolist()

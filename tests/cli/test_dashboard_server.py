"""``kshot-viz dashboard`` as a process: who is let in, and what is left when it ends."""

from __future__ import annotations

import http.client
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from command_line import COMMAND, make_pictures, make_weights
from lab_server import free_port, own_folders
from processes import Marked, linux, start

pytestmark = [pytest.mark.slow, linux]
TOKEN = re.compile(r"\?token=(\w+)")
KERNEL = re.compile(r'"kernelId": "([\w-]+)"')


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    running: Marked
    port: int
    token: str

    def status(self, path: str, **headers: str) -> int:
        """Return the status of the answer to a request."""
        return self.ask(path, **headers)[0]

    def ask(self, path: str, **headers: str) -> tuple[int, str, str]:
        """Return the status, the address it leads to, and the text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            whole = answer.read().decode() if answer.status != 101 else ""
            return answer.status, answer.headers.get("Location", ""), whole
        finally:
            connection.close()

    def kernel(self) -> str:
        """Load the page; return the kernel that was started for it."""
        status, _, page = self.ask(f"/?token={self.token}")
        assert status == 200
        found = KERNEL.search(page)
        assert found is not None, page[:2000]
        return found.group(1)


@pytest.fixture
def serving(tmp_path):
    @contextmanager
    def run() -> Iterator[Served]:
        pictures = make_pictures(tmp_path / "zoo")
        weights = make_weights(tmp_path / "net.safetensors")
        port = free_port()
        words = ["--weights", weights, "--preprocess", "glyphs", "--size", 16, "--query", 5]
        words += ["--episodes", 2, "--groups", 0.2, "--out", tmp_path / "out", "--port", port]
        running = start([*COMMAND, "dashboard", pictures, *words], env=own_folders(tmp_path))
        try:
            lines = []
            while not TOKEN.search("".join(lines[-1:])):
                lines.append(running.line())
                assert running.process.poll() is None, "\n".join(lines)
            # Read on, so that the server is never held up.
            running.drain()
            yield Served(running, port, TOKEN.search(lines[-1]).group(1))
        finally:
            if running.process.poll() is None:
                running.end(signal.SIGKILL)
            running.left()

    return run


def test_only_this_machine_and_this_page_are_let_in_and_sigterm_ends_all(serving):
    with serving() as server:
        token = f"?token={server.token}"
        here = f"127.0.0.1:{server.port}"
        for host in (here, f"localhost:{server.port}", "127.0.0.1", "LOCALHOST", "[::1]:80"):
            assert server.status("/login", Host=host) == 200
        static = "/voila/static/voila.js"
        for host in ("rebound.example", "127.0.0.1.example:80", "localhost.example", "10.0.0.1"):
            for path in ("/login", f"/{token}", static, "/voila/files/dashboard.ipynb"):
                assert server.status(path, Host=host) == 403

        assert server.status("/") == 302
        status, address, _ = server.ask(f"/logout{token}")
        assert (status, address) == (302, "/login")
        assert server.ask("/logout")[0] == 302

        channels = f"/api/kernels/{server.kernel()}/channels"
        upgrade = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        }
        own, foreign = "http:" + f"//{here}", "http:" + "//elsewhere.example"
        assert server.status(channels + token, Origin=own, **upgrade) == 101
        assert server.status(channels + token, Origin=foreign, **upgrade) == 403
        assert server.status(channels + token, Origin="null", **upgrade) == 403
        assert server.status(channels, Origin=own, **upgrade) == 403

        assert server.running.end(signal.SIGTERM) == 0
        assert server.running.left() == []


def test_a_server_that_is_killed_leaves_no_kernel(serving):
    with serving() as server:
        server.kernel()
        server.running.end(signal.SIGKILL)
        assert server.running.left() == []

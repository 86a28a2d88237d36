"""A JupyterLab of its own on the loopback address: own folders, own token, no news, no updates."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START = 120
# Pop-ups would cover a corner of the page.
QUIET = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}


@dataclass(frozen=True)
class Server:
    """A server that answers: its address, its token, and the folder it serves."""

    base: str
    token: str
    root: Path

    def address(self, path: str) -> str:
        """Return the address of a page, with the token."""
        return f"{self.base}/{path}{'&' if '?' in path else '?'}token={self.token}"

    def write(self, name: str, cells: Sequence[str]) -> str:
        """Write a notebook of code cells; return its name."""
        # The wheel is tried by an interpreter that has the standard library only.
        import nbformat

        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(notebook, self.root / name)
        return name

    def end_kernels(self) -> None:
        """End all notebooks' kernels, each of which takes nearly a gigabyte."""
        for one in json.loads(self.ask("GET", "api/sessions")):
            self.ask("DELETE", f"api/sessions/{one['id']}")

    def ask(self, verb: str, path: str, body: Any = None) -> bytes:
        """Return the answer of the server's programming interface, or of a page."""
        headers = {"Authorization": f"token {self.token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/{path}", data, headers, method=verb)
        with urllib.request.urlopen(request, timeout=START) as response:
            return response.read()


@contextmanager
def jupyterlab(folder: Path) -> Iterator[Server]:
    """Run JupyterLab on ``folder / "root"`` until the block is left."""
    root, token, port = folder / "root", secrets.token_hex(16), free_port()
    root.mkdir(parents=True)
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"),
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={root}",
        "--allow-root",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    with running(command, own_folders(folder), folder, ready="is running at"):
        yield Server(f"http://127.0.0.1:{port}", token, root)


def own_folders(folder: Path) -> dict[str, str]:
    """Return an environment in which nothing of the user's Jupyter is read or written."""
    names = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    for name in names.values():
        (folder / name).mkdir(parents=True, exist_ok=True)
    extension = folder / "settings" / "@jupyterlab" / "apputils-extension"
    extension.mkdir(parents=True, exist_ok=True)
    (extension / "notification.jupyterlab-settings").write_text(json.dumps(QUIET), "utf-8")
    return {**os.environ, **{key: str(folder / name) for key, name in names.items()}}


@contextmanager
def running(
    command: Sequence[str], env: dict[str, str], folder: Path, *, ready: str
) -> Iterator[list[str]]:
    """Run a server until the block is left; it has begun once a line of its log holds ``ready``."""
    log: list[str] = []
    begun = threading.Event()
    process = subprocess.Popen(
        command,
        env=env,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            log.append(line)
            if ready in line:
                begun.set()
        begun.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert begun.wait(START), f"no server within {START} s:\n{''.join(log)}"
        assert process.poll() is None, f"the server ended:\n{''.join(log)}"
        yield log
    finally:
        end(process)
        reader.join(START)
        if process.stdout is not None:
            process.stdout.close()


def end(process: subprocess.Popen[str]) -> None:
    """End a server and the kernels it started."""
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])

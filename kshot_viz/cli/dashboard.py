"""``kshot-viz dashboard``: the dashboards as a page of their own, for this machine only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kshot_viz.cli.requests import TaskRequest
from kshot_viz.errors import KShotFileError

if TYPE_CHECKING:
    from ipywidgets import Widget

TEMPLATE = "kshot-viz"
JUPYTER = Path(__file__).parent / "jupyter"
REQUEST, APP = "dashboard.json", "dashboard.ipynb"
# The notebook that Voila runs for every visitor; it holds no code of its own.
CELL = "from kshot_viz.cli.dashboard import open_dashboard\n\nopen_dashboard()"


def run_dashboard(request: TaskRequest, out: Path, *, port: int) -> int:
    """Serve the page until it is interrupted; return the exit status of the server."""
    if not Path(request.folder).is_dir():
        raise KShotFileError(f"There is no folder {request.folder}.")
    # What is wrong with the network is told here, and not on a page that was waited for.
    typer.echo(f"{request.network()}")
    prepare(request, out)
    typer.echo("Once the server is up, it prints the address to open; a token is part of it.")
    command = voila_command(out, port=port)
    return subprocess.run(command, env=voila_environment(), check=False).returncode


def prepare(request: TaskRequest, out: Path) -> None:
    """Write the notebook behind the page, and what it reads."""
    cell: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
    }
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {
        "cells": [{**cell, "id": "dashboard", "source": CELL}],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / APP).write_text(json.dumps(notebook, indent=1), encoding="utf-8")
        (out / REQUEST).write_text(json.dumps(asdict(request), indent=1), encoding="utf-8")
    except OSError as error:
        raise KShotFileError(f"{out} cannot be written: {error.strerror or error}.") from error


def voila_command(out: Path, *, port: int) -> list[str]:
    """Return the command of the server: the loopback address only, with a token of its own."""
    return [
        *(sys.executable, "-m", "voila", str(out / APP)),
        *(f"--template={TEMPLATE}", "--Voila.ip=127.0.0.1", f"--port={port}"),
        # Voila makes the token and tells it; on a command line others could read it.
        "--Voila.auto_token=True",
        # It would open the page without the token.
        "--no-browser",
    ]


def voila_environment() -> dict[str, str]:
    """Return the environment in which Voila finds the template that asks no other server."""
    before = os.environ.get("JUPYTER_PATH", "")
    return {**os.environ, "JUPYTER_PATH": os.pathsep.join(filter(None, [str(JUPYTER), before]))}


def open_dashboard(folder: str | Path = ".") -> Widget:
    """Return the dashboards of the request in a folder, or the sentence that says why not."""
    from kshot_viz.widgets.base.parts import Dashboard, Status

    try:
        path = Path(folder)
        return _dashboard(json.loads((path / REQUEST).read_text("utf-8")), path)
    except Exception as error:
        # Whatever it is: a page without a word is the worst answer.
        status = Status()
        status.error(error)
        return Dashboard([status])


def _dashboard(asked: Mapping[str, Any], folder: Path) -> Widget:
    from kshot_viz.widgets.dashboard.task import Task
    from kshot_viz.widgets.dashboard.whole_dashboard import WholeDashboard

    request = TaskRequest(**{**asked, "shots": tuple(asked["shots"])})
    data, source, backbone = request.images(), request.source_images(), request.network()
    episodes = request.tasks(data)
    return WholeDashboard(
        Task(backbone, data, episodes, source, request.groups, folder, request.seed)
    )

"""``kshot-viz dashboard`` and ``lab``: servers of Voila and JupyterLab, for this machine only."""

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
FIRST_NOTEBOOK = "00_start_here.ipynb"
REQUEST, APP = "dashboard.json", "dashboard.ipynb"
# The only cell of the notebook that Voila runs for every visitor.
CELL = "from kshot_viz.cli.servers import open_dashboard\n\nopen_dashboard()"


def run_dashboard(request: TaskRequest, out: Path, *, port: int) -> int:
    """Serve the page until it is interrupted; return the exit status of the server."""
    if not Path(request.folder).is_dir():
        raise KShotFileError(f"There is no folder {request.folder}.")
    # An error of the network is printed here, before anybody waits for a page.
    typer.echo(f"{request.network()}")
    prepare(request, out)
    typer.echo("Once the server is up, it prints the address to open; a token is part of it.")
    command = voila_command(out, port=port)
    return subprocess.run(command, env=voila_environment(), check=False).returncode


def prepare(request: TaskRequest, out: Path) -> None:
    """Write the notebook behind the page, and the request that it reads."""
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
        # Voila makes the token and prints it; on a command line others could read it.
        "--Voila.auto_token=True",
        # It would open the page without the token.
        "--no-browser",
    ]


def voila_environment() -> dict[str, str]:
    """Return the environment in which Voila finds the template that needs no other server."""
    before = os.environ.get("JUPYTER_PATH", "")
    return {**os.environ, "JUPYTER_PATH": os.pathsep.join(filter(None, [str(JUPYTER), before]))}


def open_dashboard(folder: str | Path = ".") -> Widget:
    """Return the dashboards of the request in a folder, or a status line with the error."""
    from kshot_viz.widgets.base.parts import Dashboard, Status

    try:
        path = Path(folder)
        return _dashboard(json.loads((path / REQUEST).read_text("utf-8")), path)
    except Exception as error:
        # Any error at all: a blank page would explain nothing.
        status = Status()
        status.error(error)
        return Dashboard([status])


def _dashboard(record: Mapping[str, Any], folder: Path) -> Widget:
    from kshot_viz.widgets.dashboard.whole_dashboard import DashboardTask, WholeDashboard

    request = TaskRequest(**{**record, "shots": tuple(record["shots"])})
    data, source, backbone = request.images(), request.source_images(), request.network()
    episodes = request.tasks(data)
    return WholeDashboard(
        DashboardTask(backbone, data, episodes, source, request.groups, folder, request.seed)
    )


def lab_command(notebooks: Path) -> list[str]:
    """Return the command that opens JupyterLab on the first notebook of a folder.

    Raises
    ------
    KShotFileError
        If it is not there.
    """
    first = notebooks / FIRST_NOTEBOOK
    if not first.is_file():
        raise KShotFileError(
            f"There is no {first}: call this in the project's folder, or name the one that holds "
            f"its notebooks with --notebooks."
        )
    return [sys.executable, "-m", "jupyterlab", str(first)]


def run_lab(notebooks: Path) -> int:
    """Run JupyterLab until it is left; return its exit status."""
    return subprocess.run(lab_command(notebooks), check=False).returncode

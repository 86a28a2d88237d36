"""``kshot-viz dashboard`` and ``lab``: servers of Voila and JupyterLab, for this machine only."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kshot_viz.cli.requests import TaskRequest
from kshot_viz.errors import KShotFileError
from kshot_viz.files import read_json, write_json
from kshot_viz.text import counted

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
    # Read while Voila is imported.
    os.environ["JUPYTER_PATH"] = template_path()
    from kshot_viz.cli.local_voila import LocalVoila

    return serve(LocalVoila, voila_arguments(out, port=port))


def serve(application: Any, arguments: Sequence[str]) -> int:
    """Run a server of Jupyter's in this process until it is ended; return its exit status.

    So a signal reaches the server itself, which ends its kernels; and these end by themselves where
    the process is killed.
    """
    application.launch_instance(argv=list(arguments))
    return 0


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
    except OSError as error:
        raise KShotFileError(f"{out} cannot be written: {error.strerror or error}.") from error
    write_json(out / APP, notebook, indent=1)
    write_json(out / REQUEST, asdict(request), indent=1)


def voila_arguments(out: Path, *, port: int) -> list[str]:
    """Return the arguments of the server: the loopback address only, with a token of its own."""
    return [
        *(str(out / APP), f"--template={TEMPLATE}", "--Voila.ip=127.0.0.1", f"--port={port}"),
        # Voila makes the token and prints it; on a command line others could read it.
        "--Voila.auto_token=True",
        # It would open the page without the token.
        "--no-browser",
        # Seconds that a kernel which is busy may go on after the server was told to end.
        "--KernelManager.shutdown_wait_time=2",
    ]


def template_path() -> str:
    """Return the JUPYTER_PATH with which Voila finds the template that needs no other server."""
    before = os.environ.get("JUPYTER_PATH", "")
    return os.pathsep.join(filter(None, [str(JUPYTER), before]))


def open_dashboard(folder: str | Path = ".") -> Widget:
    """Return the dashboards of the request in a folder, or a status line with the error."""
    from kshot_viz.widgets.base.parts import Dashboard, Status

    try:
        path = Path(folder)
        return _dashboard(read_json(path / REQUEST), path)
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


def bundled_notebooks() -> Path:
    """Return the folder of the notebooks: in the package, or beside it in a clone."""
    package = Path(__file__).parents[1]
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


def copy_notebooks(folder: Path) -> list[str]:
    """Copy the notebooks into a folder; return the names of those that were not there.

    What is there is never overwritten.

    Raises
    ------
    KShotFileError
        If the folder cannot be written, or this installation has no notebooks.
    """
    copied = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for notebook in sorted(bundled_notebooks().glob("*.ipynb")):
            # "x" fails where the file is there, whoever wrote it meanwhile.
            with suppress(FileExistsError), (folder / notebook.name).open("xb") as file:
                file.write(notebook.read_bytes())
                copied.append(notebook.name)
    except OSError as error:
        raise KShotFileError(f"{folder} cannot be written: {error.strerror or error}.") from error
    if not (folder / FIRST_NOTEBOOK).is_file():
        raise KShotFileError(f"This installation has no notebooks, and {folder} has none either.")
    return copied


def run_lab(notebooks: Path) -> int:
    """Run JupyterLab on the first notebook until it is left; return its exit status."""
    copied = copy_notebooks(notebooks)
    if copied:
        typer.echo(f"Copied {counted(len(copied), 'notebook')} into {notebooks}.")
    from jupyterlab.labapp import LabApp

    return serve(LabApp, [str(notebooks / FIRST_NOTEBOOK)])

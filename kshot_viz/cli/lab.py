"""``kshot-viz lab``: the notebooks, in JupyterLab."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kshot_viz.errors import KShotFileError

FIRST = "00_start_here.ipynb"


def lab_command(notebooks: Path) -> list[str]:
    """Return the command that opens JupyterLab on the first notebook of a folder.

    Raises
    ------
    KShotFileError
        If it is not there.
    """
    first = notebooks / FIRST
    if not first.is_file():
        raise KShotFileError(
            f"There is no {first}: call this in the project's folder, or name the one that holds "
            f"its notebooks with --notebooks."
        )
    return [sys.executable, "-m", "jupyterlab", str(first)]


def run_lab(notebooks: Path) -> int:
    """Run JupyterLab until it is left; return its exit status."""
    return subprocess.run(lab_command(notebooks), check=False).returncode

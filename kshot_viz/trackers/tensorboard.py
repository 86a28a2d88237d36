"""Rows of a call as curves of TensorBoard."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from kshot_viz.extras import check_installed
from kshot_viz.trackers.callback import RunInfo, Scalar
from kshot_viz.trackers.series import Values
from kshot_viz.trackers.tracker import Tracker

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

# Seconds between two writes to the disk.
_FLUSH_SECONDS = 5


class TensorBoard(Tracker):
    """Writes event files that ``tensorboard --logdir FOLDER`` shows while a call runs.

    Parameters
    ----------
    folder : str or Path
        Each call gets a folder of its own in it, such as ``evaluate-glyphnet-digits-1``.

    Attributes
    ----------
    run_folder : Path or None
        The folder of the last call.

    Raises
    ------
    KShotError
        If TensorBoard is not installed: it is the extra ``tensorboard``.
    """

    def __init__(self, folder: str | Path = "runs/tensorboard") -> None:
        check_installed("tensorboard", "tensorboard", "kv.trackers.TensorBoard")
        self.folder = Path(folder)
        self.run_folder: Path | None = None
        self._writer: SummaryWriter | None = None

    def _open(self, run: RunInfo) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.run_folder = _new_folder(self.folder, re.sub(r"[^\w.]+", "-", run.title))
        self._writer = SummaryWriter(str(self.run_folder), flush_secs=_FLUSH_SECONDS)
        self._writer.add_text("settings", _table(run.settings))

    def _add(self, number: int, values: Values) -> None:
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, number)

    def _close(self, means: Values, failed: str) -> None:
        if self._writer is None:
            return
        self._add(0, means)
        if failed:
            self._writer.add_text("failed", failed)
        self._writer.close()
        self._writer = None


def _new_folder(parent: Path, name: str) -> Path:
    """Make a folder that no other call has."""
    for number in count(1):
        folder = parent / f"{name}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise AssertionError


def _table(settings: Mapping[str, Scalar]) -> str:
    """Return the settings as a table in Markdown."""
    rows = [f"| {name} | {str(value).replace('|', '/')} |" for name, value in settings.items()]
    return "\n".join(["| setting | value |", "| --- | --- |", *rows])

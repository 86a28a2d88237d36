"""Rows of a call as a run of Weights & Biases, on this machine unless asked otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kshot_viz.errors import unknown_name
from kshot_viz.extras import check_installed
from kshot_viz.trackers.callback import RunInfo
from kshot_viz.trackers.series import Values
from kshot_viz.trackers.tracker import Tracker

MODES = ("offline", "online")
# The name of the machine, the path and arguments of the program; what the machine has; its load.
_NOT_OF_THE_MACHINE: dict[str, Any] = {
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_disable_stats": True,
}


class WandB(Tracker):
    """Makes one run of Weights & Biases of each call.

    Offline, the default, nothing leaves this machine: a run is a folder, which ``wandb sync``
    sends when you want it. Numbers of rows and the settings of the call are in it, and the versions
    of installed packages that W&B adds; no code, no arguments of the command and no output of the
    terminal, and nothing of the machine.

    Parameters
    ----------
    project : str
    folder : str or Path
        Where runs are kept, in its subfolder ``wandb``.
    mode : {"offline", "online"}
    **options
        Passed on to ``wandb.init``: ``entity``, ``tags``, ``group`` and more.

    Attributes
    ----------
    run_folder : Path or None
        The folder of the last call's run.

    Raises
    ------
    KShotError
        If W&B is not installed: it is the extra ``wandb``.
    """

    def __init__(
        self,
        project: str = "kshot_viz",
        *,
        folder: str | Path = "runs",
        mode: str = "offline",
        **options: Any,
    ) -> None:
        if mode not in MODES:
            raise unknown_name("mode", mode, MODES)
        check_installed("wandb", "wandb", "kv.trackers.WandB")
        self.project, self.folder, self.mode, self.options = project, Path(folder), mode, options
        self.run_folder: Path | None = None
        self._run: Any = None

    def _open(self, run: RunInfo) -> None:
        import wandb

        self.folder.mkdir(parents=True, exist_ok=True)
        begun: dict[str, Any] = {
            "project": self.project,
            "name": run.title,
            "job_type": run.kind,
            "dir": str(self.folder),
            "mode": self.mode,
            # A run that the user has open stays what it is.
            "reinit": "create_new",
            "settings": wandb.Settings(
                console="off", silent=True, save_code=False, disable_git=True, **_NOT_OF_THE_MACHINE
            ),
        }
        self._run = wandb.init(**begun | self.options, config=dict(run.settings))
        self.run_folder = Path(self._run.dir).parent

    def _add(self, number: int, values: Values) -> None:
        if self._run is not None:
            self._run.log(values)

    def _close(self, means: Values, failed: str) -> None:
        if self._run is None:
            return
        run, self._run = self._run, None
        run.summary.update({"error": failed} if failed else means)
        run.finish(exit_code=1 if failed else 0)

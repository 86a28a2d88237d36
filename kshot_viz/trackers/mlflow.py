"""Rows of a call as metrics of an MLflow run."""

from __future__ import annotations

import os
import re
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz import __version__
from kshot_viz.extras import check_installed
from kshot_viz.trackers.callback import RunInfo
from kshot_viz.trackers.series import Values
from kshot_viz.trackers.tracker import Tracker

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow takes at most so many at once, names without these characters, and no longer texts.
_AT_ONCE, _NAME, _LONGEST_NAME, _LONGEST = 1000, r"[^\w./ -]", 250, 500
_SQLITE = "sqlite:///"
# A database takes as long for one metric as for hundreds.
_FLUSH_SECONDS = 2.0


class MLflow(Tracker):
    """Makes one MLflow run of each call: settings are parameters, numbers of rows are metrics.

    MLflow's own report of its use is switched off, unless ``MLFLOW_DISABLE_TELEMETRY`` is set.

    Parameters
    ----------
    uri : str, optional
        Where runs are kept, such as ``"sqlite:///runs/mlflow.db"``, or the address of a server. By
        default what ``mlflow.set_tracking_uri`` or ``MLFLOW_TRACKING_URI`` says, else MLflow's own.
    experiment : str
        Made where there is none of this name.

    Attributes
    ----------
    run_id : str
        The run of the last call; empty before any.

    Raises
    ------
    KShotError
        If MLflow is not installed: it is the extra ``mlflow``.
    """

    def __init__(self, uri: str | None = None, *, experiment: str = "kshot_viz") -> None:
        check_installed("mlflow", "mlflow", "kv.trackers.MLflow")
        self.uri, self.experiment = uri, experiment
        self.run_id = ""
        self._metrics: list[Any] = []
        self._running, self._sent = False, 0.0

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client of what ``uri`` names, to read runs too."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow

        if self.uri is not None and self.uri.startswith(_SQLITE):
            Path(self.uri.removeprefix(_SQLITE)).parent.mkdir(parents=True, exist_ok=True)
        return mlflow.MlflowClient(tracking_uri=self.uri)

    def _open(self, run: RunInfo) -> None:
        from mlflow.entities import Param

        found = self.client.get_experiment_by_name(self.experiment)
        number = found.experiment_id if found else self.client.create_experiment(self.experiment)
        tags = {"kind": run.kind, "kshot_viz": __version__}
        self.run_id = self.client.create_run(number, run_name=run.title, tags=tags).info.run_id
        self._running, self._metrics, self._sent = True, [], time.monotonic()
        params = [
            Param(_name(key), str(value)[:_LONGEST])
            for key, value in run.settings.items()
            if value is not None
        ]
        self.client.log_batch(self.run_id, params=params)

    def _add(self, number: int, values: Values) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        self._metrics += [Metric(_name(key), one, now, number) for key, one in values.items()]
        late = time.monotonic() - self._sent >= _FLUSH_SECONDS
        if late or len(self._metrics) >= _AT_ONCE:
            self._send()

    def _send(self) -> None:
        while self._metrics:
            self.client.log_batch(self.run_id, metrics=self._metrics[:_AT_ONCE])
            del self._metrics[:_AT_ONCE]
        self._sent = time.monotonic()

    def _close(self, means: Values, failed: str) -> None:
        if not self._running:
            return
        self._running, ended = False, "FAILED"
        try:
            self._add(0, means)
            self._send()
            if failed:
                self.client.set_tag(self.run_id, "error", failed[:_LONGEST])
            else:
                ended = "FINISHED"
        finally:
            self.client.set_terminated(self.run_id, ended)


def _name(text: str) -> str:
    return re.sub(_NAME, "_", text)[:_LONGEST_NAME]

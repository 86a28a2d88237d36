"""``compare`` and ``search``, ended at random moments: nothing stays behind, nothing is lost.

``KSHOT_KILLS=40`` ends each command forty times instead of three.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import make_pictures, make_weights, small_run
from processes import Marked, linux, start

pytestmark = [pytest.mark.slow, linux]
KILLS = int(os.environ.get("KSHOT_KILLS", "3"))
# So often a command is ended before it may finish, and another folder is taken.
IN_A_ROW = 5
# Figures take longer than all the rest, and nothing here looks at them.
PROGRAM = """
from unittest.mock import patch
from kshot_viz.cli import main

none = dict.fromkeys(("comparison_figures", "grouping_figures"), lambda *inputs: {})
with patch.multiple("kshot_viz.cli.results", **none):
    main()
"""


@dataclass(frozen=True)
class Task:
    """A command: its words for a folder of results, and what these hold."""

    words: Callable[[Path], list[object]]
    read: Callable[[Path], Any]

    def run(self, out: Path) -> Marked:
        return start([sys.executable, "-c", PROGRAM, *self.words(out)])

    def finish(self, out: Path) -> Any:
        """Let the command finish, and return what it has found."""
        running = self.run(out)
        printed, _ = running.process.communicate(timeout=300)
        assert running.process.returncode == 0, printed
        assert running.left() == []
        return self.read(out)


def table(out: Path) -> Any:
    frame = pd.read_parquet(out / "results.parquet").drop(columns="seconds")
    about = json.loads((out / "comparison.json").read_text())
    # How long it was said to take was measured, and is another time in every run.
    about["manifest"].pop("estimated_seconds", None)
    # The digest is of the times too.
    del about["check"]
    return frame.to_json(), about, json.loads((out / "request.json").read_text())["kind"]


def history(out: Path) -> Any:
    return (out / "history.csv").read_text(), json.loads((out / "best.json").read_text())


@pytest.fixture
def tasks(tmp_path) -> dict[str, Task]:
    pictures, weights = make_pictures(tmp_path / "zoo"), make_weights(tmp_path / "net.safetensors")
    network = ["--weights", weights, "--preprocess", "glyphs", "--size", 16, "--workers", 2]
    searched = ["search", pictures, *network, "--query", 5, "--tasks", 4, "--budget", 12]
    return {
        "compare": Task(
            lambda out: [*small_run(pictures, weights, out), "--workers", 2, "--episodes", 4],
            table,
        ),
        "search": Task(lambda out: [*searched, "--out", out], history),
    }


@pytest.mark.timeout(1200 + 60 * KILLS)
@pytest.mark.parametrize("name", ["compare", "search"])
def test_a_command_that_is_ended_goes_on_to_the_same_result(tasks, name, tmp_path):
    task, rng = tasks[name], np.random.default_rng(len(name))
    begin = time.monotonic()
    expected = task.finish(tmp_path / "whole")
    usual = time.monotonic() - begin
    for kill in range(KILLS):
        out = tmp_path / f"killed{kill // IN_A_ROW}"
        running = task.run(out)
        ended(running, rng.uniform(0, usual), signal.SIGTERM if kill % 3 == 1 else signal.SIGKILL)
        assert running.left() == []
        if kill % IN_A_ROW == IN_A_ROW - 1 or kill == KILLS - 1:
            assert task.finish(out) == expected


def ended(running: Marked, moment: float, number: signal.Signals) -> None:
    """End a command at a moment, unless it has ended itself."""
    running.drain()
    try:
        assert running.process.wait(moment) == 0
    except TimeoutExpired:
        code = running.end(number)
        # Before the command itself begins, or just after its end, a signal has its usual effect.
        assert code in (-number, 0, 143 if number == signal.SIGTERM else 0)


def test_sigterm_keeps_what_is_finished_and_says_so(tasks, tmp_path):
    task, out = tasks["compare"], tmp_path / "out"
    running = task.run(out)
    while not (out / "rows.jsonl").exists() and running.process.poll() is None:
        time.sleep(0.02)
    running.process.send_signal(signal.SIGTERM)
    printed, _ = running.process.communicate(timeout=60)
    assert running.process.returncode == 143, printed
    assert "interrupted. Finished rows are kept; the same command goes on from them." in printed
    assert "Traceback" not in printed
    assert running.left() == []

"""Scripts that tests start, and the processes that these leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

# Seconds in which all have to be gone once the first of them is.
GONE = 5.0
MARK = "KSHOT_TEST_MARK"
linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


@dataclass(frozen=True)
class Marked:
    """A process whose descendants are known by a mark in their environment."""

    process: subprocess.Popen[str]
    mark: str

    def line(self) -> str:
        """Wait for the next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def drain(self) -> None:
        """Read what else it prints, and forget it."""

        def read() -> None:
            with suppress(ValueError):
                for _ in self.process.stdout or ():
                    pass

        threading.Thread(target=read, daemon=True).start()

    def end(self, number: int) -> int:
        """Send a signal, and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def left(self, within: float = GONE) -> list[int]:
        """Return the processes that are still there after some seconds; they are ended."""
        end = time.monotonic() + within
        while (found := marked(self.mark)) and time.monotonic() < end:
            time.sleep(0.05)
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return found


def start(command: Sequence[object], env: Mapping[str, str] | None = None) -> Marked:
    """Start a command with a mark of its own."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        list(map(str, command)),
        env={**(env or os.environ), MARK: mark},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return Marked(process, mark)


def script(text: str, *arguments: object) -> Marked:
    """Start a Python script."""
    return start([sys.executable, "-c", textwrap.dedent(text), *arguments])


def finished(text: str, *arguments: object, within: float = 300) -> str:
    """Return what a script prints; it must end well, in time, and leave nothing behind."""
    running = script(text, *arguments)
    try:
        printed, _ = running.process.communicate(timeout=within)
    finally:
        left = running.left()
    assert running.process.returncode == 0, printed
    assert left == []
    return printed


def marked(mark: str) -> list[int]:
    """Return the processes with a mark, but those that have ended and wait for their parent."""
    wanted = f"{MARK}={mark}".encode()
    return [
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and wanted in _read(folder / "environ").split(b"\0")
    ]


def _read(path: Path) -> bytes:
    # A zombie has an empty environment.
    try:
        return path.read_bytes()
    except OSError:
        return b""

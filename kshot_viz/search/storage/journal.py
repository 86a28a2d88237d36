"""Optuna's journal file with locks that end with the process, and repair of a torn last line.

A process that is killed while it writes can leave a last line cut in the middle. It is cut off
here, under a lock of the operating system that is held as long as the search runs. Each write takes
another such lock.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import IO

from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from kshot_viz.errors import KShotFileError

# `in_use` of another process holds the owner's lock for a moment.
LOOK_SECONDS = 0.5


class WriteLock(JournalFileOpenLock):
    """Lock of a journal for the time of one write.

    Optuna's own lock is a link that is created and deleted: if JupyterLab lists the folder at that
    moment, it reports that the folder is gone. It also outlives a process that is killed. A program
    that opens the journal with Optuna's lock does not wait for this one, so it may only read.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path.with_name(f".{path.name}.write")
        self._mine = threading.Lock()
        self._file: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._mine.acquire()
        while (file := _lock(self._path)) is None:
            time.sleep(0.001)
        self._file = file
        return True

    def release(self) -> None:
        """Release the lock."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._mine.release()


def journal_backend(path: Path) -> JournalFileBackend:
    """Open a journal for reading and appending."""
    return JournalFileBackend(str(path), WriteLock(path))


class Owner:
    """Lock of a journal for as long as a search runs; one process at a time holds it."""

    def __init__(self, path: Path) -> None:
        self._file = _lock(owner_of(path))
        end = time.monotonic() + LOOK_SECONDS
        while self._file is None and time.monotonic() < end:
            time.sleep(0.01)
            self._file = _lock(owner_of(path))
        if self._file is None:
            raise KShotFileError(
                f"{path} is in use by another search. Follow that one with "
                f"kv.GroupSearch.attach({str(path)!r}), or give this one a file of its own."
            )
        cut_torn_line(path)

    def release(self) -> None:
        """Release the lock."""
        if self._file is not None:
            self._file.close()
            self._file = None


def in_use(path: Path) -> bool:
    """Return whether a running search owns this journal."""
    file = _lock(owner_of(path)) if path.exists() else None
    if file is not None:
        file.close()
        return False
    return path.exists()


def cut_torn_line(path: Path) -> None:
    """Cut an incomplete last line off, after saving a copy of the file beside it.

    A line that was appended to an incomplete one is cut off with it.
    """
    content = path.read_bytes() if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    last = content.rfind(b"\n", 0, max(0, whole - 1)) + 1
    if not _is_json(content[last:whole]):
        whole = last
    if whole == len(content):
        return
    copy = next(p for n in range(1, 10**6) if not (p := Path(f"{path}.torn-{n}")).exists())
    copy.write_bytes(content)
    with path.open("r+b") as file:
        file.truncate(whole)
        os.fsync(file.fileno())


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line or b"0")
    except ValueError:
        return False
    return True


def owner_of(path: Path) -> Path:
    """Return the file whose lock the running search holds."""
    return Path(f"{path}.owner")


def _lock(path: Path) -> IO[bytes] | None:
    """Take the operating system's lock on a file, or return None where another has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab")
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file

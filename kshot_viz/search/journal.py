"""Optuna's journal file, opened so that a killed search goes on from it.

A process that is killed while it writes can leave a last line cut in the middle, and the lock that
says a write is going on. Both are mended here, under a lock of the operating system that is held as
long as the search runs and that ends with the process, however that ends.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import IO

from kshot_viz.errors import KShotFileError

# A write takes milliseconds; a lock that is as old as this belongs to nobody.
STALE_SECONDS = 0.5


class Owner:
    """The right to write a journal; one process at a time has it."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, _lock(path)
        end = time.monotonic() + STALE_SECONDS
        while self._file is None and time.monotonic() < end:
            # Whoever only looks whether a search is running holds the lock for a moment.
            time.sleep(0.01)
            self._file = _lock(path)
        if self._file is None:
            raise KShotFileError(
                f"{path} is in use by another search. Follow that one with "
                f"kv.GroupSearch.attach({str(path)!r}), or give this one a file of its own."
            )
        remove_stale_lock(path)
        cut_torn_line(path)

    def release(self) -> None:
        """Let another process write."""
        if self._file is not None:
            self._file.close()
            self._file = None


def in_use(path: Path) -> bool:
    """Say whether a search is writing to this journal."""
    file = _lock(path) if path.exists() else None
    if file is not None:
        file.close()
        return False
    return path.exists()


def remove_stale_lock(path: Path) -> None:
    """Remove the lock that a killed process left behind."""
    lock = Path(f"{path}.lock")
    end = time.monotonic() + STALE_SECONDS
    while lock.is_symlink() or lock.exists():
        if time.monotonic() > end:
            lock.unlink(missing_ok=True)
            return
        time.sleep(0.01)


def cut_torn_line(path: Path) -> None:
    """Cut an incomplete last line off, after saving a copy of the file beside it.

    A line that somebody wrote on right behind an incomplete one goes with it.
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


def _lock(path: Path) -> IO[bytes] | None:
    """Take the operating system's lock, or return None where another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = Path(f"{path}.owner").open("ab")  # noqa: SIM115
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

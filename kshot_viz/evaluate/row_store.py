"""The file that keeps the rows of finished jobs."""

from __future__ import annotations

import json
import math
import os
import time
import zlib
from pathlib import Path
from typing import Any

from kshot_viz.errors import KShotFileError
from kshot_viz.evaluate.rows import Row

_START = b'{"job":'
# Seconds between two requests to the disk: one takes about as long as a small job.
SYNC_SECONDS = 1.0
_TEXT, _COUNT, _NUMBER = (str,), (int,), (int, float)
# The columns of a row, in their order, with the types that JSON gives them.
COLUMNS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("method", "data", "backbone"), _TEXT),
    **dict.fromkeys(("way", "shot"), _COUNT),
    **dict.fromkeys(("pool", "episode"), _TEXT),
    "steps": _COUNT,
    **dict.fromkeys(("lr", "head_lr", "weight_decay"), _NUMBER),
    **dict.fromkeys(("optimizer", "options"), _TEXT),
    **dict.fromkeys(("n_query", "seed"), _COUNT),
    "path": _TEXT,
    **dict.fromkeys(("chunk", "spent"), _COUNT),
    **dict.fromkeys(("candidate", "run", "job"), _TEXT),
    **dict.fromkeys(("accuracy", "support_loss", "support_accuracy"), _NUMBER),
    "status": _TEXT,
    "predicted": (list,),
    "seconds": _NUMBER,
}


class RowStore:
    """A file of finished jobs.

    A line is written whole and handed to the system before the next job is taken up, and to the
    disk once a second. A line that was cut off (full disk), or that the disk never saw (power), is
    dropped when the file is opened, and its job runs again.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._rows = self._read()
        self._synced = time.monotonic()

    def __str__(self) -> str:
        return str(self._path)

    def __contains__(self, job: str) -> bool:
        return job in self._rows

    def __getitem__(self, job: str) -> list[Row]:
        return self._rows[job]

    def add(self, job: str, rows: list[Row]) -> None:
        """Keep the rows of one job; a KShotFileError names the file if the disk is full."""
        self._rows[job] = rows
        line = json.dumps({"job": job, "rows": rows, "check": _check(job, rows)})
        self._write(f"{line}\n", SYNC_SECONDS)

    def sync(self) -> None:
        """Wait until the disk has all that was added."""
        self._write("", 0.0)

    def _write(self, text: str, seconds: float) -> None:
        """Append, and wait for the disk unless that was done so many seconds ago or less."""
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                if time.monotonic() - self._synced >= seconds:
                    os.fsync(file.fileno())
                    self._synced = time.monotonic()
        except OSError as error:
            raise KShotFileError(
                f"{self._path} cannot be written ({error.strerror}). The rows before this one are "
                f"in it; make room and run the same command again."
            ) from error

    def _read(self) -> dict[str, list[Row]]:
        folder = self._path.parent
        if folder.is_file():
            raise KShotFileError(f"{folder} is a file; results need a folder.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            content = self._path.read_bytes() if self._path.exists() else b""
        except OSError as error:
            raise KShotFileError(f"{self._path} cannot be opened: {error.strerror}.") from error
        whole = _whole_lines(content)
        known = [self._entry(number, line) for number, line in enumerate(whole.splitlines(), 1)]
        self._cut(content[len(whole) :], len(whole))
        return {
            job: rows for job, rows in known if all(row.keys() == COLUMNS.keys() for row in rows)
        }

    def _cut(self, torn: bytes, length: int) -> None:
        """Drop what is no whole line in place, if it is one of ours."""
        begun, _, rest = torn.partition(b"\0")
        # Blocks that the disk never saw hold zeros; what follows them may be anything.
        ours = begun.startswith(_START[: len(begun)]) and (length or begun or not rest.strip(b"\0"))
        if torn and not ours:
            raise KShotFileError(f"{self._path} holds something else; give another `store=`.")
        if torn:
            try:
                os.truncate(self._path, length)
            except OSError as error:
                raise KShotFileError(f"{self._path} cannot be mended: {error.strerror}.") from error

    def _entry(self, number: int, line: bytes) -> tuple[str, list[Row]]:
        try:
            record = json.loads(line)
            job, rows = record["job"], record["rows"]
            wrong = _wrong(job, rows)
            if not wrong and record.get("check", _check(job, rows)) != _check(job, rows):
                wrong = "not what was written"
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            raise KShotFileError(
                f"{self._path}, line {number}, is not a finished job ({wrong}). Move the file "
                "away to start anew, or remove the line."
            )
        return job, rows


def _check(job: str, rows: list[Row]) -> int:
    """Return a number by which a changed or damaged line is recognised."""
    return zlib.crc32(json.dumps([job, rows]).encode())


def _whole_lines(content: bytes) -> bytes:
    """Return the lines before the one that was cut off, or that zeros are in."""
    before = content.partition(b"\0")[0]
    return before[: before.rfind(b"\n") + 1]


def _wrong(job: Any, rows: list[Row]) -> str:
    """Say what no job would have written; other columns than ours are those of another version."""
    if not (isinstance(job, str) and isinstance(rows, list) and rows):
        return "no job with rows"
    for row in rows:
        for name, value in row.items():
            known = COLUMNS.get(name, (object,))
            if not isinstance(value, known) or (isinstance(value, bool) and name in COLUMNS):
                return f"{name} is {value!r}"
        accuracy = row["accuracy"]
        if not (math.isfinite(accuracy) and 0 <= accuracy <= 1):
            return f"accuracy is {accuracy!r}"
        if row["job"] != job or any(type(one) is not int for one in row["predicted"]):
            return "rows of another job, or no predictions"
    return ""

"""Finished rows on disk, one JSON line a job, so that an interrupted run goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path

from kshot_viz.errors import KShotFileError
from kshot_viz.evaluate.rows import Row

_START = b'{"job":'


class RowStore:
    """A file of finished jobs.

    A line is written whole and flushed before the next job is taken up. A line that was cut off
    (full disk, power) is dropped when the file is opened, and its job runs again.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._rows = self._read()

    def __contains__(self, job: str) -> bool:
        return job in self._rows

    def __getitem__(self, job: str) -> list[Row]:
        return self._rows[job]

    def add(self, job: str, rows: list[Row]) -> None:
        """Keep the rows of one job; a KShotFileError names the file if the disk is full."""
        self._rows[job] = rows
        line = json.dumps({"job": job, "rows": rows}) + "\n"
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line)
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
            text = self._path.read_bytes() if self._path.exists() else b""
            whole = text[: text.rfind(b"\n") + 1]
            self._cut(text[len(whole) :], len(whole))
        except OSError as error:
            raise KShotFileError(f"{self._path} cannot be opened: {error.strerror}.") from error
        return dict(self._entry(number, line) for number, line in enumerate(whole.splitlines(), 1))

    def _cut(self, torn: bytes, length: int) -> None:
        """Drop a torn last line in place, if it is one of ours."""
        if not torn:
            return
        if not torn.startswith(_START[: len(torn)]):
            raise KShotFileError(f"{self._path} holds something else; give another `store=`.")
        os.truncate(self._path, length)

    def _entry(self, number: int, line: bytes) -> tuple[str, list[Row]]:
        try:
            record = json.loads(line)
            return record["job"], record["rows"]
        except (ValueError, KeyError, TypeError) as error:
            raise KShotFileError(
                f"{self._path}, line {number}, is not a finished job. Move the file away to start "
                f"anew."
            ) from error

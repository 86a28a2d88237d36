"""A pipe to a process whose end ends every read and write, also in the middle of a message."""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

# Seconds between two looks whether the process is alive.
LOOK_SECONDS = 1.0


class WatchedConnection(Connection):
    """One end of a pipe, on systems with file descriptors.

    The end of the other process alone does not close the pipe: a child of that process, such as a
    helper that loads data, may hold it open. So nothing here waits for the pipe alone.

    Parameters
    ----------
    connection : Connection
        It is closed; this one takes over.
    alive : callable
        Says whether the process at the other end runs.
    """

    def __init__(self, connection: Connection, alive: Callable[[], bool]) -> None:
        super().__init__(os.dup(connection.fileno()))
        connection.close()
        os.set_blocking(self.fileno(), False)
        self._alive = alive

    # Connection reads and writes the pieces of a message by these two.
    def _recv(self, size: int) -> Any:
        return super()._recv(size, self._read_piece)  # type: ignore[misc]

    def _send(self, buf: bytes) -> None:
        super()._send(buf, self._write_piece)  # type: ignore[misc]

    def _read_piece(self, handle: int, size: int) -> bytes:
        while True:
            with suppress(BlockingIOError):
                return os.read(handle, size)
            self._wait(selectors.EVENT_READ)

    def _write_piece(self, handle: int, buf: bytes) -> int:
        while True:
            with suppress(BlockingIOError):
                return os.write(handle, buf)
            self._wait(selectors.EVENT_WRITE)

    def _wait(self, event: int) -> None:
        """Wait until a piece can be read or written; an OSError if it never can."""
        with selectors.DefaultSelector() as selector:
            selector.register(self, event)
            while not selector.select(LOOK_SECONDS):
                # What it wrote before its end is still to be read.
                if not self._alive() and not selector.select(0):
                    raise BrokenPipeError("the process has ended")

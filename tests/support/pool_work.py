"""Work for processes of a pool; it imports little, so that they are ready soon."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.connection import Connection


def whose(number: int) -> tuple[int, int]:
    time.sleep(0.2)
    return number, os.getpid()


def fail(number: int) -> None:
    raise ValueError(f"no {number}")


def die(number: int) -> None:
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def half_a_result(seconds: float) -> bytes:
    """Be ended in the middle of sending, while a child of this process holds the pipe open."""
    if os.fork() == 0:
        time.sleep(seconds)
        os._exit(0)

    def send(connection: Connection, buf: bytes) -> None:
        os.write(connection.fileno(), bytes(buf[:1000]))
        os.kill(os.getpid(), signal.SIGKILL)

    Connection._send = send  # type: ignore[attr-defined]
    return b"x" * 1_000_000


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


class AwkwardError(Exception):
    """An error that is packed and cannot be unpacked."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


def awkward(number: int) -> None:
    raise AwkwardError("this", "that")

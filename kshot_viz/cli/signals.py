"""Signals that ask a command to end: it ends as after Ctrl-C, with what is finished kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Take SIGTERM and SIGHUP for Ctrl-C; only the exit status differs (143 and 129).

    A second signal ends the process at once. What the caller has set up, or ignores as ``nohup``
    does, is left alone.
    """
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_DFL)
        received.append(number)
        raise KeyboardInterrupt

    taken = _defaults() if threading.current_thread() is threading.main_thread() else []
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    except SystemExit as end:
        if received and end.code == INTERRUPTED:
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _defaults() -> list[signal.Signals]:
    """Return the signals that would end the process without any cleaning up."""
    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    return [number for number in known if signal.getsignal(number) is signal.SIG_DFL]

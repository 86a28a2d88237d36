"""Compute on one thread, and start background threads that end before Python does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import torch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, then restore the number of threads.

    So sums are formed in the same order in every process.
    """
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


def begin_thread(work: Callable[[], object], name: str | None = None) -> threading.Thread:
    """Run ``work`` in a thread that Python waits for at its end.

    One that is cut off in the middle of compiled code would take the whole process down.
    """
    thread = threading.Thread(target=work, name=name, daemon=False)
    thread.start()
    return thread


def going_on() -> bool:
    """Return whether Python is still running; at its end nothing new may start."""
    return threading.main_thread().is_alive()

"""Threads of computing, and threads that work beside the kernel."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import torch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, and go back to as many as before.

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
    """Tell whether Python is not at its end: nothing new is begun then."""
    return threading.main_thread().is_alive()

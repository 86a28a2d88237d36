"""Compute on one thread, and start background threads that end before Python does."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread of the processor; also a decorator.

    The one rule for all that computes: tuning, gradients, captures, predictions, clustering,
    embeddings, tables. A sum depends on how many threads form it, so numbers could differ between a
    table and a dashboard, or between two machines. And threads wait for one another: on two cores
    beside other work, a step on two threads took 3.2 times as long as on one with the bundled
    network (450 and 142 ms), and 1.7 times with SqueezeNet at 224 pixels (4.5 and 2.7 s). So size
    is no reason for more. Many runs are shared out to processes, whose rows are equal; a GPU is not
    limited.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # OpenMP counts by thread, BLAS by process.
        with _controller().select(user_api="openmp").limit(limits=1), _BLAS:
            yield
    finally:
        torch.set_num_threads(before)


class _OneBlasThread:
    """Keeps BLAS on one thread from the first block that is entered until the last one is left.

    Blocks of several Python threads overlap: the first that is left must not undo it for the rest.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[tuple[Any, int]] = []

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            for library in _controller().select(user_api="blas").lib_controllers:
                # None where it cannot be told. Libraries loaded within a block come later.
                if (before := library.get_num_threads() or 1) != 1:
                    self._before.append((library, before))
                    _set_threads(library, 1)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            while self._before and not self._inside:
                _set_threads(*self._before.pop())


def _set_threads(library: Any, number: int) -> None:
    """Set the threads of a BLAS library for the whole process, whichever thread asks."""
    # Newer releases of threadpoolctl listen to the Python thread alone that was first to ask.
    release = getattr(library, "clear_controlling_thread", lambda **_: None)
    release(force=True)
    library.set_num_threads(number)
    release(force=True)


_BLAS = _OneBlasThread()


def _controller() -> Any:
    """Return what controls the libraries that are loaded; looking for them takes milliseconds."""
    return _controller_of(len(sys.modules))


@functools.lru_cache(maxsize=1)
def _controller_of(modules: int) -> Any:
    """Look for the libraries that so many modules have loaded."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


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

"""Background threads: redrawing at a limited rate, and computing one thing at a time.

A kernel handles no message while one of its callbacks runs. So pictures are drawn and numbers
computed in threads, which set traits when they are done. Threads end when nothing is left to do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from kshot_viz.threads import begin_thread, going_on

# Four pictures a second are plenty, and leave the kernel free.
EVERY = 0.25

Failed = Callable[[Exception], None]


class Redraw:
    """Calls ``draw`` in a thread, at most once in ``every`` seconds, always after the last request.

    Parameters
    ----------
    draw : callable
        Draws the state as it is then, without arguments.
    failed : callable
        Takes an exception of ``draw``; it is never swallowed.
    every : float
        Seconds between the starts of two drawings.
    pause : callable
        Waits so many seconds.
    """

    def __init__(
        self,
        draw: Callable[[], None],
        failed: Failed,
        *,
        every: float = EVERY,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._draw, self._failed, self._every, self._pause = draw, failed, every, pause
        self._change = threading.Condition()
        self._wanted = self._busy = False

    def ask(self) -> None:
        """Request a drawing: the first is made at once, later ones not before ``every`` seconds."""
        with self._change:
            self._wanted = True
            if not self._busy:
                self._busy = True
                begin_thread(self._work)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last request is drawn; return whether it is."""
        with self._change:
            return self._change.wait_for(lambda: not self._busy, timeout)

    def _work(self) -> None:
        while self._next():
            begin = time.monotonic()
            try:
                self._draw()
            except Exception as error:
                self._failed(error)
            self._pause(max(0.0, self._every - (time.monotonic() - begin)))

    def _next(self) -> bool:
        with self._change:
            self._busy, self._wanted = self._wanted and going_on(), False
            if not self._busy:
                self._change.notify_all()
            return self._busy


class Stopped(Exception):  # noqa: N818 - nothing failed
    """Work in the background was stopped."""


class Background:
    """Computes in a thread, one thing after the other; of requests that wait only the last stays.

    Parameters
    ----------
    failed : callable
        Takes an exception of the work; it is never swallowed.
    """

    def __init__(self, failed: Failed) -> None:
        self._failed = failed
        self._change = threading.Condition()
        self._waiting: tuple[Callable[[], Any], Callable[[Any], None]] | None = None
        self._busy, self._stopped, self._not_before = False, False, 0.0

    @property
    def busy(self) -> bool:
        """Whether something is being computed."""
        return self._busy

    def start(
        self, work: Callable[[], Any], done: Callable[[Any], None], *, rest: float = 0.0
    ) -> None:
        """Compute ``work()``, then hand its value to ``done``, both in the thread.

        It begins after ``rest`` seconds without another request, and never after :meth:`stop`.
        """
        with self._change:
            if self._stopped:
                return
            self._waiting, self._not_before = (work, done), time.monotonic() + rest
            self._change.notify_all()
            if not self._busy:
                self._busy = True
                begin_thread(self._run)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is computed; return whether that is so."""
        with self._change:
            return self._change.wait_for(lambda: not self._busy, timeout)

    def stop(self) -> None:
        """Drop what waits and take nothing more; what runs stops at its next :meth:`check`."""
        with self._change:
            self._stopped, self._waiting = True, None
            self._change.notify_all()

    def check(self) -> None:
        """Raise :class:`Stopped` after :meth:`stop`; long work calls it at its stages."""
        if self._stopped or not going_on():
            raise Stopped

    def _run(self) -> None:
        while (job := self._next()) is not None:
            work, done = job
            try:
                result = work()
                if not self._stopped:
                    done(result)
            except Stopped:
                continue
            except Exception as error:
                self._failed(error)

    def _resting(self) -> float:
        return max(0.0, self._not_before - time.monotonic())

    def _next(self) -> tuple[Callable[[], Any], Callable[[Any], None]] | None:
        with self._change:
            while self._waiting and going_on() and self._resting() > 0:
                self._change.wait(self._resting())
            job, self._waiting = (self._waiting if going_on() else None), None
            self._busy = job is not None
            if not self._busy:
                self._change.notify_all()
            return job


class Ticker:
    """Calls ``act`` at regular intervals until it is stopped; never after that.

    Parameters
    ----------
    act : callable
        Shows the progress of something, for example.
    every : float
        Seconds between two calls.
    """

    def __init__(self, act: Callable[[], None], *, every: float = 1.0) -> None:
        self._act, self._every = act, every
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Call at once, and regularly from now on."""
        self.stop()
        self._stopped.clear()
        self._act()
        self._thread = begin_thread(self._run)

    def stop(self) -> None:
        """Call no more."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while going_on() and not self._stopped.wait(self._every):
            self._act()

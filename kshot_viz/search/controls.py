"""Pause, resume and stop: asked for in this process or in the storage, heeded between batches."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kshot_viz.search.storage.ledger import Ledger
from kshot_viz.threads import going_on

# How often a paused search looks for requests of other processes.
POLL_SECONDS = 0.2


class Controls:
    """What somebody wants of a running search."""

    def __init__(self) -> None:
        self._go, self._stop = threading.Event(), threading.Event()
        self._go.set()

    def begin(self) -> None:
        """Forget that an earlier run was stopped; a pause that was asked for holds."""
        self._stop.clear()

    def pause(self) -> None:
        """Pause after the batch that runs now."""
        self._go.clear()

    def resume(self) -> None:
        """Go on after a pause."""
        self._go.set()

    def stop(self) -> None:
        """End after the batch that runs now."""
        self._stop.set()
        self._go.set()

    def stopped(self, ledger: Ledger, tell: Callable[[str], None]) -> bool:
        """Wait out a pause, and say whether to end; the end of Python is one.

        Parameters
        ----------
        ledger : Ledger
            Where other processes ask.
        tell : callable
            Called with ``"paused"``, and with ``"resumed"`` where the search goes on.
        """
        self._heed(ledger)
        if not self._go.is_set():
            tell("paused")
            while not self._go.wait(POLL_SECONDS) and going_on():
                self._heed(ledger)
            if not self._stop.is_set() and going_on():
                tell("resumed")
        return self._stop.is_set() or not going_on()

    def _heed(self, ledger: Ledger) -> None:
        asked = ledger.take_request()
        if asked:
            {"pause": self.pause, "resume": self.resume, "stop": self.stop}[asked]()

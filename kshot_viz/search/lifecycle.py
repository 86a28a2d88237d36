"""Events of a search, and one interface to start, pause, resume and stop it in any process."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from kshot_viz.errors import KShotValueError
from kshot_viz.search.storage.ledger import Ledger
from kshot_viz.threads import going_on

if TYPE_CHECKING:
    from kshot_viz.search.result import SearchResult

# Seconds between two looks of a paused search for requests of other processes.
POLL_SECONDS = 0.2
# Actions that are possible in each state.
ACTIONS = {
    "new": ("start",),
    "running": ("pause", "stop"),
    "paused": ("resume", "stop"),
    "stopped": ("start",),
    "failed": ("start",),
    "finished": (),
    "died": (),
}
# State that a pending request leads to, for requests that may follow it at once.
_NEXT_STATE = {"start": "running", "pause": "paused"}


@dataclass(frozen=True)
class Event:
    """One event of a search.

    Attributes
    ----------
    kind : str
        ``"started"``, ``"batch"``, ``"paused"``, ``"resumed"``, ``"stopped"``, ``"finished"`` or
        ``"failed"``.
    details : mapping
        For ``"batch"``: its number, budget spent, best and mean reward, entropy; for ``"stopped"``
        and ``"finished"`` the reason; where an error ended the search, its text.
    """

    kind: str
    details: Mapping[str, Any] = field(default_factory=dict)


class Events:
    """An append-only list of events; every reader keeps the number of events it has read."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._added = threading.Condition()

    def __len__(self) -> int:
        with self._added:
            return len(self._events)

    def add(self, kind: str, **details: Any) -> None:
        """Append an event, and wake all readers."""
        with self._added:
            self._events.append(Event(kind, details))
            self._added.notify_all()

    def since(self, start: int = 0, *, timeout: float | None = 0.0) -> list[Event]:
        """Return all events from number ``start`` on.

        Parameters
        ----------
        start : int
            Number of events read before.
        timeout : float or None
            Seconds to wait for the next one where there is none; None for as long as it takes.
        """
        with self._added:
            self._added.wait_for(lambda: len(self._events) > start, timeout)
            return self._events[start:]


class ControllableSearch(ABC):
    """A search that can be driven and followed, whichever process runs it.

    Attributes
    ----------
    local : bool
        Whether the search's network is in this process: only there the search can be started.
    error : Exception or None
        The error that ended the last run in this process.
    """

    local: ClassVar[bool]
    error: Exception | None = None

    @property
    @abstractmethod
    def state(self) -> str:
        """``"new"``, ``"running"``, ``"paused"``, ``"stopped"``, ``"finished"`` or ``"failed"``.

        ``"died"`` if the process that ran the search ended without storing another state.
        """

    @property
    @abstractmethod
    def requested(self) -> str:
        """The request that has not taken effect yet: an action, or ``""``."""

    @property
    @abstractmethod
    def result(self) -> SearchResult:
        """The rollouts so far, of earlier runs of the same search too."""

    @abstractmethod
    def start(self) -> None:
        """Search in the background, or go on from what is stored."""

    def pause(self) -> None:
        """Pause after the batch that runs now, or before the first one of a search not started.

        Raises
        ------
        KShotValueError
            As :meth:`resume` and :meth:`stop`: if the search is not local and no process runs it.
        """
        self._send("pause")

    def resume(self) -> None:
        """Go on after a pause; a pause cancelled before it takes effect never happens."""
        self._send("resume")

    def stop(self) -> None:
        """End after the batch that runs now; rollouts are kept, and the search can go on later."""
        self._send("stop")

    @abstractmethod
    def _send(self, request: str) -> None:
        """Pass ``"pause"``, ``"resume"`` or ``"stop"`` to the process that runs the search."""

    @abstractmethod
    def wait_for_change(self, seen: object, timeout: float) -> object:
        """Wait for a change, and return a value that differs after every change.

        Parameters
        ----------
        seen : object
            The value returned before; None at the first call.
        timeout : float
            Seconds after which ``seen`` is returned.
        """

    @property
    def actions(self) -> tuple[str, ...]:
        """Actions that are possible now: some of ``"start", "pause", "resume", "stop"``."""
        possible = () if self.requested else ACTIONS[self.state]
        return tuple(action for action in possible if self.local or action != "start")

    @property
    def over(self) -> bool:
        """Whether no change can follow; a local search may be given more to do."""
        return not self.local and self.state == "finished"

    def request(self, action: str) -> None:
        """Call the method named ``action``, if the state allows it.

        A pending request counts as done, so that a search may be paused right after its start.

        Raises
        ------
        KShotValueError
            If the action is not possible now.
        """
        state = _NEXT_STATE.get(self.requested, self.state)
        # One that is not local has its own error for a start.
        if action not in ACTIONS[state] and (self.local or action != "start"):
            known = " or ".join(ACTIONS[state]) or "nothing"
            raise KShotValueError(
                f"The search is {state}, so it cannot {action} now; possible: {known}."
            )
        getattr(self, action)()


class Requests:
    """Pause and stop flags of a search, read between two batches.

    Parameters
    ----------
    events : Events
        The events of the search: any but a batch ends what is pending.
    """

    def __init__(self, events: Events) -> None:
        self._go, self._stop, self._events = threading.Event(), threading.Event(), events
        self._go.set()
        # The last request, and the number of events before it.
        self._last, self._before = "", 0

    @property
    def pending(self) -> str:
        """The request that has not taken effect yet, or ``""``."""
        since = self._events.since(self._before)
        return "" if any(event.kind != "batch" for event in since) else self._last

    def begin(self, request: str = "") -> None:
        """Clear the stop of an earlier run; a requested pause stays."""
        self._note(request)
        self._stop.clear()

    def send(self, request: str) -> None:
        """Set the flags for ``"pause"``, ``"resume"`` or ``"stop"``."""
        # A resumed search has nothing pending.
        self._note("" if request == "resume" else request)
        if request == "pause":
            self._go.clear()
            return
        if request == "stop":
            self._stop.set()
        self._go.set()

    def stopped(self, ledger: Ledger, report: Callable[[str], None]) -> bool:
        """Wait while paused, and return whether to end; the end of Python ends a search too.

        Parameters
        ----------
        ledger : Ledger
            Holds the requests of other processes.
        report : callable
            Called with ``"paused"``, and with ``"resumed"`` where the search goes on.
        """
        self._read(ledger)
        if not self._go.is_set():
            report("paused")
            while not self._go.wait(POLL_SECONDS) and going_on():
                self._read(ledger)
            if not self._stop.is_set() and going_on():
                report("resumed")
        return self._stop.is_set() or not going_on()

    def _note(self, request: str) -> None:
        self._last, self._before = request, len(self._events)

    def _read(self, ledger: Ledger) -> None:
        request = ledger.take_request()
        if request:
            self.send(request)


def state_after(error: BaseException) -> str:
    """Return the state an error leaves a search in; Ctrl-C is no failure."""
    return "failed" if isinstance(error, Exception) else "stopped"

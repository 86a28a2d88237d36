"""One face for a search that runs here and for one that runs, or ran, somewhere else.

Whoever follows a search asks what may be done now, does it, and waits for news.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kshot_viz.errors import KShotValueError
from kshot_viz.search.group_search import GroupSearch
from kshot_viz.search.view import SearchView

if TYPE_CHECKING:
    from kshot_viz.search.result import SearchResult

# How often the storage of a search elsewhere is looked at.
POLL_SECONDS = 0.5
# What may be done in each state, of a search of our own; elsewhere nothing can be started.
ACTIONS = {
    "new": ("start",),
    "running": ("pause", "stop"),
    "paused": ("resume", "stop"),
    "stopped": ("start",),
    "failed": ("start",),
    "finished": (),
    "died": (),
}


class Followed(Protocol):
    """A search as its followers see it."""

    @property
    def state(self) -> str:
        """As of :class:`GroupSearch`, or ``"died"``."""

    @property
    def actions(self) -> tuple[str, ...]:
        """What may be done now: some of ``"start", "pause", "resume", "stop"``."""

    @property
    def asked(self) -> str:
        """What was asked for and has not happened yet."""

    @property
    def error(self) -> Exception | None:
        """What ended it."""

    @property
    def over(self) -> bool:
        """Whether nothing more is to come, whoever works at it."""

    def result(self) -> SearchResult:
        """Return what was found so far."""

    def do(self, action: str) -> None:
        """Do one of ``actions``."""

    def news(self, timeout: float) -> bool:
        """Wait for something to happen; tell whether it did."""

    def hush(self) -> None:
        """End the waiting of whoever waits for news."""


class OwnSearch:
    """A search in this process.

    A new one whose storage holds rollouts already shows those, since it would go on from them.
    """

    over = False

    def __init__(self, search: GroupSearch) -> None:
        self._search, self._seen = search, 0
        self._asked, self._place = "", 0
        self._hushed = threading.Event()

    @property
    def state(self) -> str:
        """As of the search."""
        return self._search.state

    @property
    def actions(self) -> tuple[str, ...]:
        """What may be done now."""
        return () if self.asked else ACTIONS[self.state]

    @property
    def asked(self) -> str:
        """What was asked for and has not happened yet."""
        since = self._search.events.since(self._place)
        return "" if any(event.kind != "batch" for event in since) else self._asked

    @property
    def error(self) -> Exception | None:
        """What ended the search in the background."""
        return self._search.error

    def result(self) -> SearchResult:
        """Return what was found so far."""
        return self._search.result

    def do(self, action: str) -> None:
        """Do one of ``actions``; pausing and stopping wait for the batch that runs.

        What was asked for counts as done, so that a program may pause what it has just started.

        Raises
        ------
        KShotValueError
            If the search is in no state for it.
        """
        check_action(action, {"start": "running", "pause": "paused"}.get(self.asked, self.state))
        place = len(self._search.events)
        getattr(self._search, action)()
        # A pause that is taken back before its time happens never.
        self._asked, self._place = "" if action == "resume" else action, place

    def news(self, timeout: float) -> bool:
        """Wait for an event."""
        if self._hushed.is_set():
            return False
        events = self._search.events.since(self._seen, timeout=timeout)
        self._seen += len(events)
        return bool(events)

    def hush(self) -> None:
        """End the waiting at the next event or timeout."""
        self._hushed.set()


class OtherSearch:
    """A search in another process, or one that is over; requests go through its storage."""

    error = None

    def __init__(self, view: SearchView) -> None:
        self._view = view
        self._last: tuple[str, str, int] | None = None
        self._hushed = threading.Event()

    @property
    def over(self) -> bool:
        """Whether nothing more is to come, in this process or another."""
        return self.state == "finished"

    @property
    def state(self) -> str:
        """As of the storage, or ``"died"`` where nobody works at it any more."""
        return self._view.state

    @property
    def actions(self) -> tuple[str, ...]:
        """What may be asked for now; a search is only started where its network is."""
        known = () if self.asked else ACTIONS[self.state]
        return tuple(action for action in known if action != "start")

    @property
    def asked(self) -> str:
        """What was asked for, by anybody, and has not happened yet."""
        return self._view.asked

    def result(self) -> SearchResult:
        """Return what was found so far."""
        return self._view.result

    def do(self, action: str) -> None:
        """Ask for one of ``actions``; it is heeded between two batches.

        Raises
        ------
        KShotValueError
            If the search is in no state for it.
        """
        requests = {
            "pause": self._view.request_pause,
            "resume": self._view.request_resume,
            "stop": self._view.request_stop,
        }
        if action not in requests:
            raise KShotValueError(
                "A search that was attached by its storage cannot be started here: run it where "
                "its network is, with GroupSearch(...) and the same storage."
            )
        check_action(action, "paused" if self.asked == "pause" else self.state)
        requests[action]()

    def news(self, timeout: float) -> bool:
        """Look at the storage until something differs from the last look."""
        for _ in range(max(1, round(timeout / POLL_SECONDS))):
            now = (self.state, self.asked, len(self._view.result.rollouts))
            if now != self._last:
                self._last = now
                return True
            if self._hushed.wait(POLL_SECONDS):
                return False
        return False

    def hush(self) -> None:
        """End the waiting at once."""
        self._hushed.set()


def check_action(action: str, state: str) -> None:
    """Refuse what cannot be done to a search in this state."""
    if action not in ACTIONS[state]:
        known = " or ".join(ACTIONS[state]) or "nothing"
        raise KShotValueError(
            f"The search is {state}, so it cannot {action} now; possible: {known}."
        )


def follow(search: GroupSearch | SearchView | str | Path | Any) -> Followed:
    """Return the face of a search: an object, a view, or the address of its storage.

    Raises
    ------
    KShotFileError
        If there is no search in the storage.
    KShotValueError
        For anything else.
    """
    if isinstance(search, GroupSearch):
        return OwnSearch(search)
    if isinstance(search, SearchView):
        return OtherSearch(search)
    if isinstance(search, (str, Path)):
        return OtherSearch(GroupSearch.attach(search))
    raise KShotValueError(
        f"A search to follow is a GroupSearch, the view that GroupSearch.attach returns, or the "
        f"address of a storage; not {search!r}."
    )

"""What a running search tells, to any number of listeners in any thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("started", "batch", "paused", "resumed", "stopped", "finished", "failed")


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes
    ----------
    kind : str
        One of ``KINDS``.
    details : mapping
        For ``"batch"``: its number, budget spent, best and mean reward, entropy; for ``"stopped"``
        and ``"finished"`` the reason; where an error ended the search, its text.
    """

    kind: str
    details: Mapping[str, Any] = field(default_factory=dict)


class Events:
    """A list of events that only grows; every listener reads on from where it was."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._news = threading.Condition()

    def __len__(self) -> int:
        with self._news:
            return len(self._events)

    def add(self, kind: str, **details: Any) -> None:
        """Tell an event."""
        with self._news:
            self._events.append(Event(kind, details))
            self._news.notify_all()

    def since(self, place: int = 0, *, timeout: float | None = 0.0) -> list[Event]:
        """Return all events from ``place`` on.

        Parameters
        ----------
        place : int
            Number of events read before.
        timeout : float or None
            Seconds to wait for the next one where there is none; None for as long as it takes.
        """
        with self._news:
            self._news.wait_for(lambda: len(self._events) > place, timeout)
            return self._events[place:]

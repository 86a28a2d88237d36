"""Thread-safe event log of a search."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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

"""Thread that waits for changes of a search, as long as a dashboard shows it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kshot_viz.search.lifecycle import ControllableSearch

NEWS_SECONDS = 1.0


class Watcher(Protocol):
    """A dashboard that is notified of changes."""

    def notify(self, *, news: bool, trouble: Exception | None) -> bool:
        """Redraw where there is news, or show the error; return whether all so far is shown."""


def begin_listening(
    watcher: Callable[[], Watcher | None], followed: ControllableSearch, closed: threading.Event
) -> threading.Thread:
    """Listen in a thread that ends with its watcher, or with a search that is over.

    Parameters
    ----------
    watcher : weak reference
        The thread alone must not keep a dashboard in memory.
    followed : ControllableSearch
    closed : Event
        Ends the thread.
    """
    thread = threading.Thread(
        target=listen, args=(watcher, followed, closed), name="search monitor", daemon=True
    )
    thread.start()
    return thread


def listen(
    watcher: Callable[[], Watcher | None], followed: ControllableSearch, closed: threading.Event
) -> None:
    """Notify the watcher of changes and errors; after an error, try again."""
    seen: object = None
    while not closed.is_set():
        news = over = False
        trouble: Exception | None = None
        try:
            before, seen = seen, followed.wait_for_change(seen, NEWS_SECONDS)
            news, over = seen != before, followed.over
        except Exception as error:
            trouble = error
        one = watcher()
        if one is None:
            return
        shown = one.notify(news=news, trouble=trouble)
        # No reference while waiting: the watcher may be deleted meanwhile.
        del one
        if over and shown:
            return
        if trouble is not None:
            closed.wait(NEWS_SECONDS)

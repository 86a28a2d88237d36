"""Who waits for news of a search, as long as somebody watches it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kshot_viz.search.lifecycle import ControllableSearch

NEWS_SECONDS = 1.0


class Watcher(Protocol):
    """Who wants the news."""

    def heard(self, *, news: bool, trouble: Exception | None) -> bool:
        """Take what was heard; tell whether everything so far is shown."""


def begin_listening(
    watcher: Callable[[], Watcher | None], followed: ControllableSearch, closed: threading.Event
) -> threading.Thread:
    """Listen in a thread that ends with its watcher, or with a search that is over.

    Parameters
    ----------
    watcher : weak reference
        The thread alone must not keep a dashboard in memory that nobody has any more.
    followed : ControllableSearch
    closed : Event
        Ends the listening.
    """
    thread = threading.Thread(
        target=listen, args=(watcher, followed, closed), name="search monitor", daemon=True
    )
    thread.start()
    return thread


def listen(
    watcher: Callable[[], Watcher | None], followed: ControllableSearch, closed: threading.Event
) -> None:
    """Hand on what is new; an error is handed on too, and then tried again."""
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
        shown = one.heard(news=news, trouble=trouble)
        # Not while waiting: the watcher may be forgotten meanwhile.
        del one
        if over and shown:
            return
        if trouble is not None:
            closed.wait(NEWS_SECONDS)

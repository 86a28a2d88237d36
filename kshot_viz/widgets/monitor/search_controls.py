"""The controls of a search monitor, and the thread that listens for news of its search."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import ipywidgets

from kshot_viz.text import isolated
from kshot_viz.viz.style.colours import sampler_styles
from kshot_viz.widgets.base.parts import button

if TYPE_CHECKING:
    from kshot_viz.search.lifecycle import ControllableSearch
    from kshot_viz.search.result import SearchResult


_TIPS = {
    "start": "Search in the background; the kernel stays free",
    "pause": "Pause after the batch that runs now",
    "resume": "Go on",
    "stop": "End after the batch that runs now; the search can go on later",
}
_WORDS = {
    "new": "not started",
    "died": "nobody works at it any more; the same search goes on from its storage",
}
_REQUESTED = {
    "start": "starting",
    "pause": "pausing after this batch",
    "resume": "going on",
    "stop": "stopping after this batch",
}


class SearchControls:
    """Buttons, a bar for the budget, and a badge for the state.

    Parameters
    ----------
    act : callable
        Takes the name of the button that was pressed.
    """

    def __init__(self, act: Callable[[str], None]) -> None:
        self.buttons = {
            name: button(name.capitalize(), tip, lambda name=name: act(name), name=f"kv-{name}")
            for name, tip in _TIPS.items()
        }
        self.bar = ipywidgets.FloatProgress(min=0.0, max=1.0)
        self.bar.layout.width = "240px"
        self.badge = ipywidgets.HTML()
        self.badge.add_class("kv-state")

    def show(self, followed: ControllableSearch, found: SearchResult) -> str:
        """Show the state of a search, and return it."""
        state, requested = followed.state, followed.requested
        word = _REQUESTED.get(requested) or _WORDS.get(state, state)
        self.badge.value = (
            f'<span class="kv-badge kv-badge-{html.escape(state)}" role="status">'
            f"{html.escape(word)}</span>"
        )
        for name, one in self.buttons.items():
            one.disabled = name not in followed.actions
        self.buttons["start"].description = "Go on" if found.rollouts else "Start"
        self.bar.value = min(1.0, spent(found) / float(found.manifest["budget"]))
        return state


def spent(found: SearchResult) -> float:
    """Return the budget that was spent, in full evaluations."""
    return float(sum(one.record["cost"] for one in found.rollouts))


def title(manifest: Any) -> str:
    """Return the title: network, sampler and reward of the search."""
    reward, sampler = manifest["reward"], manifest["sampler"]
    label = sampler_styles([sampler])[sampler].label
    return (
        f"{manifest['network'][0]}: group search ({label}), rewarded on "
        f"{reward['episodes']} tasks of {isolated(reward['data'])} ({reward['way']} classes, "
        f"{reward['shot']} shot)"
    )


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

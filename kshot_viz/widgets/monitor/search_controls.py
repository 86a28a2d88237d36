"""Controls of the search monitor: buttons, progress bar and state badge."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets

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
        f"{reward['episodes']} tasks of {reward['data']} ({reward['way']} classes, "
        f"{reward['shot']} shot)"
    )

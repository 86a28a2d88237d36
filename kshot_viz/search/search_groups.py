"""A search in one call, with a progress bar that follows it."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kshot_viz.search.events import Event
from kshot_viz.search.group_search import GroupSearch
from kshot_viz.search.result import SearchResult
from kshot_viz.search.rewards.reward import Reward

if TYPE_CHECKING:
    from tqdm import tqdm

    from kshot_viz.models.backbone import Backbone


def search_groups(
    backbone: Backbone, objective: Reward, *, progress: bool = False, **options: Any
) -> SearchResult:
    """Search for the grouping, and return what was found: ``GroupSearch(...).run()``.

    Parameters
    ----------
    backbone : Backbone
    objective : Reward
    progress : bool
        Show a progress bar.
    **options
        As in :class:`GroupSearch`.
    """
    search = GroupSearch(backbone, objective, **options)
    if not progress:
        return search.run()
    with following(search):
        return search.run()


def _show(bar: tqdm[Any], event: Event) -> None:
    told = event.details
    if event.kind == "started":
        # What was spent before takes no time now, so it says nothing about the time left.
        bar.initial = bar.n = told["spent"]
        bar.refresh()
    if event.kind == "batch":
        bar.update(min(told["spent"], told["budget"]) - bar.n)
        known = {name: told[name] for name in ("best", "reward", "entropy")}
        bar.set_postfix({k: f"{v:.3f}" for k, v in known.items() if math.isfinite(v)})


@contextmanager
def following(search: GroupSearch) -> Iterator[None]:
    """Show budget spent, best and mean reward, entropy and the time left while a search runs."""
    from tqdm.auto import tqdm

    over = threading.Event()
    with tqdm(total=search.budget, unit="evaluation", desc="search") as bar:

        def follow() -> None:
            place = len(search.events)
            last = False
            while not last:
                # What is told at the very end is shown too.
                last = over.is_set()
                for event in search.events.since(place, timeout=0.0 if last else 0.2):
                    place += 1
                    _show(bar, event)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

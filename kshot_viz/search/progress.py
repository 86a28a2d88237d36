"""A progress bar that follows a search."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kshot_viz.search.group_search import GroupSearch


@contextmanager
def following(search: GroupSearch) -> Iterator[None]:
    """Show budget spent, best and mean reward, entropy and the time left while a search runs."""
    from tqdm.auto import tqdm

    over = threading.Event()
    with tqdm(total=search.budget, unit="evaluation", desc="search") as bar:

        def follow() -> None:
            place = len(search.events)
            while not over.is_set():
                for event in search.events.since(place, timeout=0.2):
                    place += 1
                    told = event.details
                    if "spent" in told:
                        bar.update(min(told["spent"], search.budget) - bar.n)
                    if event.kind == "batch":
                        text = {name: f"{told[name]:.3f}" for name in ("best", "reward", "entropy")}
                        bar.set_postfix(text)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

"""``search_groups``: a search in one call, with a progress bar."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.search.controller.reinforce import ReinforceConfig
from kshot_viz.search.group_search import GroupSearch
from kshot_viz.search.lifecycle import Event
from kshot_viz.search.result import SearchResult
from kshot_viz.search.rewards.reward import Reward
from kshot_viz.search.spaces.base import Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from tqdm import tqdm

    from kshot_viz.models.backbone import Backbone


def search_groups(
    backbone: Backbone,
    reward: Reward,
    *,
    space: Space | None = None,
    sampler: str | BaseSampler = "reinforce",
    budget: float = 200,
    storage: str | Path | BaseStorage | None = None,
    prune: str | None = None,
    first: Sequence[Mapping[str, Any]] = (),
    learning: ReinforceConfig | None = None,
    executor: str = "serial",
    workers: int | None = None,
    device: str | None = None,
    seed: int = 0,
    progress: bool = False,
) -> SearchResult:
    """Search for the grouping, and return the result: ``GroupSearch(...).run()``.

    Parameters
    ----------
    backbone, reward, space, sampler, budget, storage, prune, first, learning
        As in :class:`kshot_viz.GroupSearch`, where all options are explained.
    executor, workers, device, seed
        As there.
    progress : bool
        Show a progress bar.

    Raises
    ------
    KShotValueError
        If an option is out of its range, or the storage holds another search.
    KShotFileError
        If the storage cannot be opened, or another process is searching there.
    """
    search = GroupSearch(
        backbone,
        reward,
        space=space,
        sampler=sampler,
        budget=budget,
        storage=storage,
        prune=prune,
        first=first,
        learning=learning,
        executor=executor,
        workers=workers,
        device=device,
        seed=seed,
    )
    with progress_bar(search) if progress else nullcontext():
        return search.run()


@contextmanager
def progress_bar(search: GroupSearch) -> Iterator[None]:
    """Show budget spent, best and mean reward, entropy and the time left while a search runs."""
    from tqdm.auto import tqdm

    over = threading.Event()
    with tqdm(total=search.budget, unit="evaluation", desc="search") as bar:

        def show_events() -> None:
            seen = len(search.events)
            last = False
            while not last:
                # One more look after the end, so that the last events are shown too.
                last = over.is_set()
                for event in search.events.since(seen, timeout=0.0 if last else 0.2):
                    seen += 1
                    _show(bar, event)

        thread = threading.Thread(target=show_events, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _show(bar: tqdm[Any], event: Event) -> None:
    details = event.details
    if event.kind == "started":
        # Budget of an earlier run takes no time now, so it must not count in the time left.
        bar.initial = bar.n = details["spent"]
        bar.refresh()
    if event.kind == "batch":
        bar.update(min(details["spent"], details["budget"]) - bar.n)
        known = {name: details[name] for name in ("best", "reward", "entropy")}
        bar.set_postfix({k: f"{v:.3f}" for k, v in known.items() if math.isfinite(v)})

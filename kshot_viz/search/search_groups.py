"""``search_groups``: a search in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.checks import checked, flag
from kshot_viz.search.controller.reinforce import ReinforceConfig
from kshot_viz.search.group_search import GroupSearch
from kshot_viz.search.result import SearchResult
from kshot_viz.search.rewards.reward import Reward
from kshot_viz.search.spaces.base import Space
from kshot_viz.trackers.callback import Callback

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

    from kshot_viz.models.backbone import Backbone


@checked(progress=flag)
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
    budget_minutes: float | None = None,
    seed: int = 0,
    progress: bool = False,
    callbacks: Sequence[Callback] = (),
) -> SearchResult:
    """Search for the grouping, and return the result: ``GroupSearch(...).run()``.

    Parameters
    ----------
    backbone, reward, space, sampler, budget, storage, prune, first, learning
        As in :class:`kshot_viz.GroupSearch`, where all options are explained.
    executor, workers, device, seed
        As there.
    budget_minutes : float, optional
        As there: fewer candidates, where all of them would take longer.
    progress : bool
        Say how long the whole will take, and show a progress bar. Neither changes the history.
    callbacks : sequence of Callback
        Told of rollouts as batches end: see :class:`kshot_viz.trackers.Callback`.

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
        budget_minutes=budget_minutes,
        seed=seed,
        callbacks=callbacks,
    )
    return search.run(progress=progress)

"""Try candidates on episodes: one row per candidate and episode."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kshot_viz.checks import checked, flag, instance, optional, shown, text, whole
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode, check_source
from kshot_viz.errors import KShotValueError
from kshot_viz.evaluate.executors import Executor, resolve_executor
from kshot_viz.evaluate.job import Job
from kshot_viz.evaluate.planning import Request, plan_jobs
from kshot_viz.evaluate.progress import one_of_each_first, progress_of
from kshot_viz.evaluate.row_store import RowStore
from kshot_viz.evaluate.rows import Row
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.clustering.cluster_cache import ClusteringCache
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.models.inputs.source_pixels import warn_if_unlike_source
from kshot_viz.models.modes import check_device
from kshot_viz.threads import one_thread
from kshot_viz.trackers.callback import Callback, RunInfo, callbacks_rule
from kshot_viz.trackers.session import Session, session

if TYPE_CHECKING:
    import pandas as pd
    import torch

T = TypeVar("T")
_log = logging.getLogger(__name__)


@checked(
    backbone=BACKBONE,
    data=instance(ImageDataset),
    executor=text,
    workers=optional(whole(1)),
    path=text,
    max_memory=optional(whole(1)),
    mix_names=flag,
    seed=whole(0),
    callbacks=callbacks_rule,
)
def evaluate(
    backbone: Backbone,
    data: ImageDataset,
    episodes: Sequence[Episode],
    candidates: Sequence[Candidate],
    *,
    executor: str = "serial",
    workers: int | None = None,
    at_steps: Sequence[int] | None = None,
    source: Any = None,
    path: str = "auto",
    max_memory: int | None = None,
    mix_names: bool = True,
    device: str | torch.device | None = None,
    store: str | Path | None = None,
    seed: int = 0,
    progress: bool | str = False,
    watch: Callable[[int, int], object] | None = None,
    callbacks: Sequence[Callback] = (),
) -> pd.DataFrame:
    """Tune every candidate on every episode's support and score it on its queries.

    Parameters
    ----------
    backbone : Backbone
    data : ImageDataset
        The data set the episodes were drawn from.
    episodes : sequence of Episode
    candidates : sequence of Candidate
    executor : {"serial", "processes", "ray"}
        Where the work is done; the rows are the same, bit for bit. ``"ray"`` needs the extra of
        that name.
    workers : int, optional
        Number of processes; the cores at hand by default.
    at_steps : sequence of int, optional
        Step counts to score at; one run serves them all. By default only the last step.
    source : image batch, optional
        Images for candidates whose groups come from ``"source"``; never query images.
    path : {"auto", "fast", "loop"}
        How runs are computed. ``"loop"`` is the reference, :func:`kshot_viz.finetune` one by one.
        ``"auto"`` computes the frozen part of the network once and as many candidates together as
        fit into the cache, and falls back to the loop where a network cannot be traced; the results
        are the loop's up to rounding (which Adam in float32 makes visible: it turns a gradient that
        is rounding alone into whole steps). ``"fast"`` is an error where it would fall back.
    max_memory : int, optional
        Bytes that candidates computed together may take, by an estimate from their shapes. On a
        GPU they take at most half of its memory.
    mix_names : bool
        Candidates of different names may be computed together. A comparison says False, so that
        the rows of one method are the same bits whichever others it is compared with.
    device : str or torch.device, optional
    store : path, optional
        File that keeps finished rows; the same call goes on from it after an interrupt.
    seed : int
        Seed of clustering, shuffling and dropout, by episode.
    progress : bool or str
        Show a progress bar, with this title.
    watch : callable, optional
        Takes the numbers of finished and of all runs, before the first and whenever some end. An
        error that it raises ends the call.
    callbacks : sequence of Callback
        Told of rows as they finish: see :class:`kshot_viz.trackers.Callback`.

    Returns
    -------
    DataFrame
        One row per candidate, episode and step count, in the order asked for: ``method, data,
        backbone, way, shot, pool, episode, steps, lr, head_lr, weight_decay, optimizer, options,
        n_query, seed, path, chunk, spent, candidate, run, job, accuracy, support_loss,
        support_accuracy, status, predicted, seconds``. ``options`` is JSON: what the method has
        besides its defaults. ``path`` is ``"loop"``, or how much of the network was computed at
        every step: ``"head"``, ``"tail"`` or ``"whole"``; ``chunk`` is the number of candidates
        computed together. A run that diverged is scored at chance (1 / way) and its ``status``
        says at which step it happened. ``seconds`` are those of one candidate of its chunk, without
        the time to load images.

    Warns
    -----
    UserWarning
        Once, where the images are inverted beside those that the network learned from, or far
        from them in contrast, as far as these are known.

    Raises
    ------
    KShotValueError
        If episodes belong to other data, a grouping to another network, or a source image is a
        query image of an episode.
    """
    import pandas as pd

    execute = resolve_executor(executor, workers)
    check_device(device)
    device = None if device is None else str(device)
    episodes = all_of("episodes", episodes, Episode)
    candidates = all_of("candidates", candidates, Candidate)
    steps = None if at_steps is None else tuple(map(int, all_of("at_steps", at_steps, Integral)))
    check_source(source, data, episodes)
    for first in [one for one in episodes[:1] if one.shot]:
        warn_if_unlike_source(backbone, data, first.split(data)[0])
    bound = tuple(bind(backbone, candidates, source, seed))
    request = Request(backbone, bound, steps, path, max_memory, mix_names, device, int(seed))
    plan = plan_jobs(request, data, episodes)
    kept = RowStore(store) if store else None
    with session(callbacks, _info(request, data, episodes, executor)) as told:
        follow = Followed(progress, watch or _unwatched, told)
        finished = _finish(plan.jobs, execute, workers, kept, follow)
        rows = pd.DataFrame([row for run in plan.runs for row in finished[run]])
        # A copy: what a callback does with it stays its own.
        told.finish(rows.copy() if told else rows)
    return rows


def _info(
    request: Request, data: ImageDataset, episodes: Sequence[Episode], executor: str
) -> RunInfo:
    """Describe a call to callbacks."""
    return RunInfo(
        "evaluate",
        {
            "backbone": request.backbone.name,
            "data": data.name,
            "methods": ", ".join(dict.fromkeys(one.name for one in request.candidates)),
            "candidates": len(request.candidates),
            "episodes": len(episodes),
            "executor": executor,
            "path": request.path,
            "seed": request.seed,
        },
    )


def all_of(argument: str, given: Iterable[T], kind: type) -> tuple[T, ...]:
    """Return a list's items, or raise a KShotValueError unless it is one and all are of a kind."""
    items = tuple(given) if isinstance(given, Iterable) else ()
    wrong = [one for one in items if not isinstance(one, kind) or isinstance(one, bool)]
    if wrong or not isinstance(given, Iterable):
        first = shown(wrong[0] if wrong else given)
        raise KShotValueError(
            f"`{argument}` must be a list, each item of type {kind.__name__}; not {first}."
        )
    return items


def bind(
    backbone: Backbone,
    candidates: Sequence[Candidate],
    source: Any,
    seed: int,
    cache: ClusteringCache | None = None,
) -> list[Candidate]:
    """Make groupings as far as that is possible before any episode, and check them.

    Groups from source images or from weights are the same in every episode; all rules share the
    cache of clustered layers, which may be handed from call to call.
    """
    known = cache or GroupingRule.clustering_cache(backbone, source, seed)
    made: dict[str, GroupingRule | Grouping] = {}

    def bound(candidate: Candidate) -> Candidate:
        rule = candidate.grouping
        if not isinstance(rule, GroupingRule):
            if rule is not None:
                rule.check(backbone)
            return candidate
        whole = replace(rule, shuffled=False)
        if whole.key not in made:
            made[whole.key] = whole.bind(backbone, cache=known)
        given = made[whole.key]
        if isinstance(given, GroupingRule):
            return replace(candidate, grouping=replace(given, shuffled=rule.shuffled))
        return replace(candidate, grouping=replace(rule, given=given) if rule.shuffled else given)

    with one_thread():
        return [bound(candidate) for candidate in candidates]


def _unwatched(done: int, total: int) -> None:
    """Look at nothing."""


@dataclass(frozen=True)
class Followed:
    """Who follows a call: a progress bar, its ``watch``, and callbacks."""

    progress: bool | str
    watch: Callable[[int, int], object]
    told: Session

    def rows(self, rows: Sequence[Row], *, resumed: bool) -> None:
        """Tell callbacks of finished rows."""
        for row in rows if self.told else ():
            self.told.row({"resumed": resumed, **row})


def _served(store: RowStore, job: Job) -> list[Row]:
    """Return finished rows, under the name that the network has now: it is no part of the key."""
    return [row | {"backbone": job.inputs.backbone.name} for row in store[job.key]]


def _finish(
    jobs: Sequence[Job],
    run: Executor,
    workers: int | None,
    store: RowStore | None,
    follow: Followed,
) -> dict[str, list[Row]]:
    """Return the rows of every run, from the store where they are there."""
    done = {job.key: _served(store, job) for job in jobs if store and job.key in store}
    missing = one_of_each_first([job for job in jobs if job.key not in done])
    runs = {job.key: len(job.entries) for job in jobs}
    before = sum(runs[key] for key in done)
    _log.debug("%d runs in %d jobs", sum(runs.values()), len(jobs))
    if before:
        _log.info(
            "%d of %d runs were finished before: taken from %s", before, sum(runs.values()), store
        )
    # Closed at once: the traceback of an interrupt would keep other processes at work.
    with (
        progress_of(missing, before, follow.progress) as bar,
        closing(run(missing, workers)) as finished,
    ):
        follow.watch(before, sum(runs.values()))
        for kept in list(done.values()):
            follow.rows(kept, resumed=True)
        for rows in finished:
            key = rows[0]["job"]
            done[key] = rows
            if store:
                store.add(key, rows)
            bar.finished(key, rows, runs[key])
            follow.watch(sum(runs[key] for key in done), sum(runs.values()))
            follow.rows(rows, resumed=False)
    if store and missing:
        store.sync()
    by_run: dict[str, list[Row]] = {}
    for row in (row for rows in done.values() for row in rows):
        by_run.setdefault(row["run"], []).append(row)
    return by_run

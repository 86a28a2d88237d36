"""Try candidates on episodes: one row per candidate and episode."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from kshot_viz import __version__
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episode import Episode
from kshot_viz.data.images import image_digests
from kshot_viz.data.pixels import digest
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.device import check_device
from kshot_viz.finetune.executors import Executor, resolve_executor
from kshot_viz.finetune.store import RowStore
from kshot_viz.finetune.task import Row, Task, one_thread
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.models.preprocess import Preprocess

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone


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
    device: str | None = None,
    store: str | Path | None = None,
    seed: int = 0,
    progress: bool | str = False,
) -> pd.DataFrame:
    """Tune every candidate on every episode's support and score it on its queries.

    Parameters
    ----------
    backbone : Backbone
    data : ImageDataset
        The data set the episodes were drawn from.
    episodes : sequence of Episode
    candidates : sequence of Candidate
    executor : {"serial", "processes"}
        Where the work is done; the rows are the same, bit for bit.
    workers : int, optional
        Number of processes; the cores at hand by default.
    at_steps : sequence of int, optional
        Step counts to score at; one run serves them all. By default only the last step.
    source : image batch, optional
        Images for candidates whose groups come from ``"source"``; never query images.
    device : str, optional
    store : path, optional
        File that keeps finished rows; the same call goes on from it after an interrupt.
    seed : int
        Seed of clustering, shuffling and dropout, by episode.
    progress : bool or str
        Show a progress bar, with this title.

    Returns
    -------
    DataFrame
        One row per candidate, episode and step count, in the order asked for: ``method, way, shot,
        pool, episode, steps, lr, head_lr, optimizer, n_query, seed, path, candidate, task,
        accuracy, support_loss, support_accuracy, status, predicted, seconds``. A run that diverged
        is scored at chance (1 / way) and its ``status`` says at which step it happened.

    Raises
    ------
    KShotValueError
        If episodes belong to other data, a grouping to another network, or a source image is a
        query image of an episode.
    """
    import pandas as pd

    run = resolve_executor(executor, workers)
    check_device(device)
    check_source(source, data, episodes)
    bound = bind(backbone, candidates, source, seed)
    tasks = list(_tasks(backbone, data, episodes, bound, at_steps, device, seed))
    finished = _finish(tasks, run, workers, RowStore(store) if store else None, progress)
    return pd.DataFrame([row for task in tasks for row in finished[task.key]])


def check_source(source: Any, data: ImageDataset, episodes: Iterable[Episode]) -> None:
    """Raise a KShotValueError if a source image is a query image of any episode."""
    if source is None:
        return
    queries = {data.digests[index] for episode in episodes for index in episode.query}
    digests = image_digests(source)
    shared = sum(one in queries for one in digests)
    if shared:
        raise KShotValueError(
            f"{shared} of the {len(digests)} `source` images are query images of the episodes. "
            f"Groups may not be formed from images that are used for scoring."
        )


def bind(
    backbone: Backbone, candidates: Sequence[Candidate], source: Any, seed: int
) -> list[Candidate]:
    """Make groupings as far as that is possible before any episode, and check them.

    Groups from source images or from weights are the same in every episode; a rule and its
    shuffled null share one clustering.
    """
    made: dict[str, GroupingRule | Grouping] = {}

    def bound(candidate: Candidate) -> Candidate:
        rule = candidate.grouping
        if not isinstance(rule, GroupingRule):
            if rule is not None:
                rule.check(backbone)
            return candidate
        whole = replace(rule, shuffled=False)
        if whole.key not in made:
            made[whole.key] = whole.bind(backbone, source=source, seed=seed)
        given = made[whole.key]
        if not isinstance(given, Grouping):
            return candidate
        return replace(candidate, grouping=replace(rule, given=given) if rule.shuffled else given)

    with one_thread():
        return [bound(candidate) for candidate in candidates]


def _tasks(
    backbone: Backbone,
    data: ImageDataset,
    episodes: Sequence[Episode],
    candidates: Sequence[Candidate],
    at_steps: Sequence[int] | None,
    device: str | None,
    seed: int,
) -> Iterator[Task]:
    # Rows of another version of the arithmetic are not served again.
    network = [backbone.fingerprint, str(backbone.module), backbone.head_name]
    network += [__version__, torch.__version__]
    named = [(one, _steps(one, at_steps), [one.key, one.name]) for one in candidates]
    for episode in episodes:
        support, query = episode.split(data)
        seen = _seen(backbone, support)
        place = _digest([network, seen, episode.to_dict(), seed, device])
        for candidate, steps, key in named:
            yield Task(
                backbone=backbone,
                episode=episode,
                support=support,
                query=query,
                candidate=candidate,
                at_steps=steps,
                seed=seed,
                key=_digest([place, key, steps]),
                place=place,
                device=device,
            )


def _seen(backbone: Backbone, support: ImageDataset) -> str:
    """Name the preprocess by its values or, if it is a function, by what it makes of an image."""
    if backbone.preprocess is None or isinstance(backbone.preprocess, Preprocess):
        return repr(backbone.preprocess)
    return digest(backbone.prepare(support.take([0])).cpu().numpy())


def _steps(candidate: Candidate, at_steps: Sequence[int] | None) -> tuple[int, ...]:
    last = candidate.config.steps
    steps = tuple(sorted(set(at_steps))) if at_steps is not None else (last,)
    if not steps or not 0 <= steps[0] <= steps[-1] <= last:
        raise KShotValueError(
            f"`at_steps` must lie in 0 to {last}, the candidate's steps; not {list(steps)}."
        )
    return steps


def _digest(request: Any) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:24]


def _finish(
    tasks: Sequence[Task],
    run: Executor,
    workers: int | None,
    store: RowStore | None,
    progress: bool | str,
) -> dict[str, list[Row]]:
    from tqdm.auto import tqdm

    finished = {task.key: store[task.key] for task in tasks if store and task.key in store}
    missing = [task for task in tasks if task.key not in finished]
    bar = tqdm(
        run(missing, workers),
        desc=progress if isinstance(progress, str) else None,
        initial=len(finished),
        total=len(tasks),
        unit="run",
        disable=not (progress and tasks),
    )
    for rows in bar:
        key = rows[0]["task"]
        finished[key] = rows
        if store:
            store.add(key, rows)
    return finished

"""From candidates and episodes to jobs. What is computed together depends on the request alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kshot_viz import __version__
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.data.pixels import digest
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.evaluate.batching import Kind, Kinds
from kshot_viz.evaluate.episode_cache import Case
from kshot_viz.evaluate.fast.network import Network
from kshot_viz.evaluate.job import Batch, Job, Stop
from kshot_viz.evaluate.rows import Entry
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.models.backbone import row_by_row
from kshot_viz.models.inputs.preprocess import Preprocess
from kshot_viz.models.modes import evaluating
from kshot_viz.records import record_digest
from kshot_viz.threads import one_thread

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

PATHS = ("auto", "loop", "fast")
# Candidates that a `stop` sees at once, at most.
IN_STEP = 64


@dataclass(frozen=True)
class Request:
    """What ``evaluate`` was asked for, apart from the images.

    ``device`` None is the network's own; ``max_memory`` is in bytes.
    """

    backbone: Backbone
    candidates: tuple[Candidate, ...]
    at_steps: tuple[int, ...] | None
    path: str
    max_memory: int | None
    stop: Stop | None
    device: str | None
    seed: int

    def __post_init__(self) -> None:
        if self.path not in PATHS:
            raise unknown_name("path", self.path, PATHS)
        cap = self.max_memory
        if cap is not None and (isinstance(cap, bool) or not isinstance(cap, int) or cap < 1):
            raise KShotValueError(f"`max_memory` must be a number of bytes >= 1; not {cap!r}.")
        if self.stop is not None and not callable(self.stop):
            raise KShotValueError(f"`stop` must be a function of a frame; not {self.stop!r}.")


@dataclass(frozen=True)
class Plan:
    """Jobs, and the tasks in the order asked for: episode by episode, candidate by candidate."""

    jobs: tuple[Job, ...]
    tasks: tuple[str, ...]


def plan_jobs(request: Request, data: ImageDataset, episodes: Sequence[Episode]) -> Plan:
    """Return what there is to do; what was asked for twice is done once."""
    steps = [steps_of(one, request.at_steps) for one in request.candidates]
    network, call = _network_key(request.backbone), uuid.uuid4().hex
    ways: dict[int, Network] = {}
    jobs: dict[str, Job] = {}
    tasks: list[str] = []
    for episode in episodes:
        case = _case(request, data, episode, network, call)
        with one_thread(), torch.inference_mode(False):
            kinds = Kinds(case, ways, request.path, request.max_memory)
            asked = [
                _Asked(Entry(one, _digest([case.place, one.key, one.name, at])), kinds.of(one), at)
                for one, at in zip(request.candidates, steps, strict=True)
            ]
        tasks += [one.entry.key for one in asked]
        distinct = {one.entry.key: one for one in asked}
        jobs |= {job.key: job for job in _episode_jobs(request, case, list(distinct.values()))}
    return Plan(tuple(jobs.values()), tuple(tasks))


def steps_of(candidate: Candidate, at_steps: Sequence[int] | None) -> tuple[int, ...]:
    """Return the steps a candidate is scored at, in order."""
    last = candidate.config.steps
    steps = tuple(sorted(set(at_steps))) if at_steps is not None else (last,)
    if not steps or not 0 <= steps[0] <= steps[-1] <= last:
        raise KShotValueError(
            f"`at_steps` must lie in 0 to {last}, the candidate's steps; not {list(steps)}."
        )
    return steps


def _case(
    request: Request, data: ImageDataset, episode: Episode, network: list[str], call: str
) -> Case:
    support, query = episode.split(data)
    seen = _seen(request.backbone, support)
    place = _digest([network, seen, episode.to_dict(), request.seed, request.device])
    return Case(
        request.backbone, episode, support, query, request.seed, place, call, request.device
    )


@dataclass(frozen=True)
class _Asked:
    entry: Entry
    kind: Kind
    steps: tuple[int, ...]


def _episode_jobs(request: Request, case: Case, asked: Sequence[_Asked]) -> Iterator[Job]:
    """Cut the candidates of an episode into jobs: by kind, or all in step where a stop compares."""
    alike: dict[Any, list[_Asked]] = {}
    for one in asked:
        key = one.steps if request.stop else (one.kind, one.steps)
        alike.setdefault(key, []).append(one)
    for group in alike.values():
        size = IN_STEP if request.stop else group[0].kind.together
        for first in range(0, len(group), size):
            part = group[first : first + size]
            yield _job(request, case, part)


def _job(request: Request, case: Case, part: Sequence[_Asked]) -> Job:
    batches = tuple(_batches(part))
    name = [[[one.key for one in batch.entries], batch.loop] for batch in batches]
    return Job(case, batches, part[0].steps, request.stop, _digest([name, _stop_key(request.stop)]))


def _batches(part: Sequence[_Asked]) -> Iterator[Batch]:
    kinds: dict[Kind, list[Entry]] = {}
    for one in part:
        kinds.setdefault(one.kind, []).append(one.entry)
    for kind, entries in kinds.items():
        for first in range(0, len(entries), kind.together):
            yield Batch(tuple(entries[first : first + kind.together]), kind.loop)


def _stop_key(stop: Stop | None) -> str | None:
    return None if stop is None else str(getattr(stop, "key", stop))


def _network_key(backbone: Backbone) -> list[str]:
    # Rows of another version of the arithmetic are not served again.
    network = [backbone.fingerprint, str(backbone.module), backbone.head_name]
    return [*network, __version__, torch.__version__]


def _seen(backbone: Backbone, support: ImageDataset) -> list[str]:
    """Name what no list of weights tells by what it makes of an image: functions and code."""
    with one_thread(), torch.inference_mode(), evaluating(backbone.module):
        prepared = backbone.prepare(support.take([0]))
        answer = backbone.module(row_by_row(prepared).clone())
    known = backbone.preprocess is None or isinstance(backbone.preprocess, Preprocess)
    look = repr(backbone.preprocess) if known else digest(prepared.cpu().numpy())
    made = digest(answer.cpu().numpy()) if isinstance(answer, Tensor) else type(answer).__name__
    return [look, made]


def _digest(request: Any) -> str:
    return record_digest(request, 24)

"""From candidates and episodes to jobs. What is computed together depends on the request alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from kshot_viz.checks import shown
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.evaluate.batching import PATHS, Batching, Kind
from kshot_viz.evaluate.episode_cache import EpisodeInputs
from kshot_viz.evaluate.job import Job
from kshot_viz.evaluate.network_key import behaviour_key, network_key
from kshot_viz.evaluate.rows import Entry
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.loop import check_applies, check_precision, check_shots
from kshot_viz.methods.code_digest import code_of
from kshot_viz.records import record_digest
from kshot_viz.threads import one_thread

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True)
class Request:
    """What ``evaluate`` was called with, apart from the images.

    ``device`` None is the network's own; ``max_memory`` is in bytes.
    """

    backbone: Backbone
    candidates: tuple[Candidate, ...]
    at_steps: tuple[int, ...] | None
    path: str
    max_memory: int | None
    mix_names: bool
    device: str | None
    seed: int

    def __post_init__(self) -> None:
        if self.path not in PATHS:
            raise unknown_name("path", self.path, PATHS)
        cap = self.max_memory
        if cap is not None and (isinstance(cap, bool) or not isinstance(cap, int) or cap < 1):
            raise KShotValueError(f"`max_memory` must be a number of bytes >= 1; not {shown(cap)}.")
        for method in {one.method.record: one.method for one in self.candidates}.values():
            check_applies(method, self.backbone)
        for one in self.candidates:
            check_precision(one.method, self.backbone, one.config)


@dataclass(frozen=True)
class Plan:
    """Jobs, and their runs in the order asked for: episode by episode, candidate by candidate."""

    jobs: tuple[Job, ...]
    runs: tuple[str, ...]


@dataclass(frozen=True)
class _Planned:
    entry: Entry
    kind: Kind
    steps: tuple[int, ...]


def plan_jobs(request: Request, data: ImageDataset, episodes: Sequence[Episode]) -> Plan:
    """Cut a request into jobs; equal candidates of an episode are computed once."""
    for method in {one.method.record: one.method for one in request.candidates}.values():
        check_shots(method, min((one.shot for one in episodes), default=1))
    steps = [steps_of(one, request.at_steps) for one in request.candidates]
    codes = {kind: code_of(kind) for kind in {type(one.method) for one in request.candidates}}
    network, call = network_key(request.backbone), uuid.uuid4().hex
    batching = Batching(request.path, request.max_memory, mix_names=request.mix_names)
    jobs: dict[str, Job] = {}
    runs: list[str] = []
    for episode in episodes:
        inputs = _inputs(request, data, episode, network, call)
        with one_thread(), torch.inference_mode(False):
            planned = [
                _planned(batching, inputs, one, at, codes[type(one.method)])
                for one, at in zip(request.candidates, steps, strict=True)
            ]
        runs += [one.entry.key for one in planned]
        distinct = {one.entry.key: one for one in planned}
        jobs |= {job.key: job for job in _episode_jobs(inputs, list(distinct.values()))}
    return Plan(tuple(jobs.values()), tuple(runs))


def steps_of(candidate: Candidate, at_steps: Sequence[int] | None) -> tuple[int, ...]:
    """Return the steps a candidate is scored at, in order."""
    last = candidate.config.steps
    steps = tuple(sorted(set(at_steps))) if at_steps is not None else (last,)
    if not steps or not 0 <= steps[0] <= steps[-1] <= last:
        raise KShotValueError(
            f"`at_steps` must lie in 0 to {last}, the candidate's steps; not {list(steps)}."
        )
    return steps


def _planned(
    batching: Batching,
    inputs: EpisodeInputs,
    candidate: Candidate,
    steps: tuple[int, ...],
    code: tuple[str, ...],
) -> _Planned:
    kind, slots = batching.of(candidate, inputs)
    key = record_digest([inputs.key, candidate.key, candidate.name, steps, *code], 24)
    return _Planned(Entry(candidate, key, slots), kind, steps)


def _inputs(
    request: Request, data: ImageDataset, episode: Episode, network: list[str], call: str
) -> EpisodeInputs:
    support, query = episode.split(data)
    seen = behaviour_key(request.backbone, (support if len(support) else query).take([0]))
    key = record_digest([network, seen, episode.to_dict(), request.seed, request.device], 24)
    return EpisodeInputs(
        request.backbone, episode, support, query, request.seed, key, call, request.device
    )


def _episode_jobs(inputs: EpisodeInputs, planned: Sequence[_Planned]) -> Iterator[Job]:
    """Cut the candidates of an episode into jobs of one kind."""
    alike: dict[tuple[Kind, tuple[int, ...]], list[Entry]] = {}
    for one in planned:
        alike.setdefault((one.kind, one.steps), []).append(one.entry)
    for (kind, steps), entries in alike.items():
        for first in range(0, len(entries), kind.together):
            part = tuple(entries[first : first + kind.together])
            key = job_key([one.key for one in part], loop=kind.loop)
            yield Job(inputs, part, kind.loop, steps, key)


def job_key(runs: Sequence[str], *, loop: bool) -> str:
    """Return the name of the job that computes these runs together."""
    return record_digest([list(runs), loop], 24)

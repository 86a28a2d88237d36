"""From candidates and episodes to jobs. What is computed together depends on the request alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from kshot_viz import __version__
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episode import Episode
from kshot_viz.data.pixels import digest
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.fast.kinds import batches
from kshot_viz.finetune.fast.network import Network
from kshot_viz.finetune.fast.trunk import Tail
from kshot_viz.finetune.jobs.case import EXAMPLE, Case
from kshot_viz.finetune.jobs.job import Job, Stop
from kshot_viz.finetune.jobs.rows import Entry
from kshot_viz.finetune.methods import METHODS
from kshot_viz.finetune.plan import step_sizes
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.models.preprocess import Preprocess
from kshot_viz.models.recorder import BATCH_NORM
from kshot_viz.threads import one_thread

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

PATHS = ("auto", "loop", "fast")
# Candidates computed as one share the calls of a step, and lose by it once what they compute no
# longer lies in the cache: measured best at 2 to 4 MB of activations each, and at most 64.
CACHE_BYTES, MOST = 16 * 2**20, 64
# Values, their gradients and what lies between them; rows, their gradient, momentum, step sizes and
# shares, and the weights made of them.
ACTIVATION_COPIES, WEIGHT_COPIES = 4, 6
# Candidates that a `stop` sees at once, where they are not computed as one.
IN_STEP = 32


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
    network = _network_key(request.backbone)
    ways: dict[int, Network] = {}
    jobs: list[Job] = []
    tasks: list[str] = []
    for episode in episodes:
        case = _case(request, data, episode, network)
        asked = [
            _Asked(Entry(one, _digest([case.place, one.key, one.name, at])), at)
            for one, at in zip(request.candidates, steps, strict=True)
        ]
        tasks += [one.entry.key for one in asked]
        distinct = {one.entry.key: one for one in asked}
        with one_thread():
            kinds = _Kinds(request, case, ways)
            kind = {key: kinds.of(one.entry.candidate) for key, one in distinct.items()}
        jobs += _episode_jobs(request, case, distinct.values(), kind)
    return Plan(tuple(jobs), tuple(tasks))


def steps_of(candidate: Candidate, at_steps: Sequence[int] | None) -> tuple[int, ...]:
    """Return the steps a candidate is scored at, in order."""
    last = candidate.config.steps
    steps = tuple(sorted(set(at_steps))) if at_steps is not None else (last,)
    if not steps or not 0 <= steps[0] <= steps[-1] <= last:
        raise KShotValueError(
            f"`at_steps` must lie in 0 to {last}, the candidate's steps; not {list(steps)}."
        )
    return steps


def _case(request: Request, data: ImageDataset, episode: Episode, network: list[str]) -> Case:
    support, query = episode.split(data)
    key = _digest([network, _seen(request.backbone, support)])
    place = _digest([key, episode.to_dict(), request.seed, request.device])
    return Case(request.backbone, episode, support, query, request.seed, key, place, request.device)


@dataclass(frozen=True)
class _Asked:
    entry: Entry
    steps: tuple[int, ...]


def _episode_jobs(
    request: Request, case: Case, asked: Iterable[_Asked], kinds: Mapping[str, _Kind]
) -> Iterator[Job]:
    alike: dict[tuple[_Kind, tuple[int, ...]], list[Entry]] = {}
    for one in asked:
        alike.setdefault((kinds[one.entry.key], one.steps), []).append(one.entry)
    for (kind, steps), entries in alike.items():
        # Candidates that cannot be computed as one still train in step where a `stop` compares.
        size = max(kind.together, IN_STEP) if request.stop else kind.together
        for first in range(0, len(entries), size):
            part = tuple(entries[first : first + size])
            name = [[one.key for one in part], kind.loop, kind.together, bool(request.stop)]
            yield Job(case, part, steps, kind.loop, kind.together, request.stop, _digest(name))


@dataclass(frozen=True)
class _Kind:
    """Candidates of one kind may be computed together, ``together`` at a time."""

    loop: bool
    together: int
    likeness: tuple[Any, ...] = ()


class _Kinds:
    """Sorts the candidates of an episode by what can be computed together."""

    def __init__(self, request: Request, case: Case, ways: dict[int, Network]) -> None:
        self._request, self._case, self._ways = request, case, ways
        self._tails: dict[Any, Tail] = {}
        self._sizes: dict[Tail, int] = {}

    def of(self, candidate: Candidate) -> _Kind:
        reason = self._why_not(candidate)
        if self._request.path == "fast" and reason:
            raise KShotValueError(f"path='fast' is not possible for {candidate.name!r}: {reason}.")
        if self._request.path == "loop" or reason:
            return _Kind(loop=True, together=1)
        tail = self._tail(candidate)
        config = candidate.config
        # By name too, so that a method's rows do not depend on which rivals it is compared with.
        likeness = (tail.cut, config.optimizer, config.steps, candidate.method, candidate.name)
        return _Kind(False, self._together(tail), likeness)

    def _why_not(self, candidate: Candidate) -> str:
        if candidate.config.train_mode:
            return "with `train_mode` on, the images of a batch influence each other"
        if _mixes_images(self._case.backbone.module):
            return "a batch norm of it has no running statistics and mixes the images of a batch"
        if self._traced().graph is None:
            return "its network cannot be traced by torch.fx, or traced it answers differently"
        if not self._tail(candidate).nodes:
            return "nothing of its network moves"
        return ""

    def _traced(self) -> Network:
        """Return the network with a head for these classes, traced once for all episodes."""
        way = self._case.episode.way
        if way not in self._ways:
            backbone = self._case.backbone
            tuned = backbone.with_new_head(way)
            example = self._case.support.take(range(EXAMPLE))
            self._ways[way] = Network(tuned, backbone.prepare(example))
        return self._ways[way]

    def _tail(self, candidate: Candidate) -> Tail:
        """Return the tail of a candidate; every layer counts where a rule is yet to name them."""
        grouping = candidate.grouping if isinstance(candidate.grouping, Grouping) else None
        config = candidate.config
        moves = (config.others, config.lr > 0, config.head_lr > 0, *sorted(config.layer_lr.items()))
        key = (candidate.method, tuple(grouping or ()), grouping is None, moves)
        if key not in self._tails:
            method = METHODS[candidate.method if grouping or not candidate.grouping else "plain"]
            rates = step_sizes(self._traced().backbone, method, grouping, config)
            moving = {one for one, rate in rates.items() if rate > 0}
            self._tails[key] = self._traced().tail(moving)
        return self._tails[key]

    def _together(self, tail: Tail) -> int:
        if tail not in self._sizes:
            self._sizes[tail] = _together(tail, self._case, self._request.max_memory)
        return self._sizes[tail]


def _together(tail: Tail, case: Case, max_memory: int | None) -> int:
    """Return how many candidates to compute as one: a power of two, by the shapes alone."""
    if not batches(tail):
        return 1
    item = next(iter(case.backbone.module.parameters())).element_size()
    images = len(case.support)
    activations = item * images * sum(_per_image(node) for node in tail.nodes)
    weights = item * sum(_trained(tail, node, images) for node in tail.nodes)
    fits = min(MOST, CACHE_BYTES // max(1, activations + weights))
    if max_memory is not None:
        # Queries are scored in batches of twice the support.
        most = 2 * ACTIVATION_COPIES * activations + WEIGHT_COPIES * weights
        fits = min(fits, max_memory // max(1, most))
    return 1 << (max(1, fits).bit_length() - 1)


def _per_image(node: fx.Node) -> int:
    return torch.Size(node.meta["shape"][1:]).numel()


def _trained(tail: Tail, node: fx.Node, images: int) -> int:
    """Return the entries that train in a call, at most: fewer where its input stays the same."""
    whole = sum(one.numel() for one in tail.graph.parameters(node))
    if not whole or node.all_input_nodes[0] not in tail.cut:
        return whole
    positions = images * torch.Size(node.meta["shape"][2:]).numel()
    return min(whole, node.meta["shape"][1] * positions)


def _mixes_images(module: nn.Module) -> bool:
    norms = (one for one in module.modules() if isinstance(one, BATCH_NORM))
    return any(norm.running_mean is None for norm in norms)


def _network_key(backbone: Backbone) -> list[str]:
    # Rows of another version of the arithmetic are not served again.
    network = [backbone.fingerprint, str(backbone.module), backbone.head_name]
    return [*network, __version__, torch.__version__]


def _seen(backbone: Backbone, support: ImageDataset) -> str:
    """Name the preprocess by its values or, if it is a function, by what it makes of an image."""
    if backbone.preprocess is None or isinstance(backbone.preprocess, Preprocess):
        return repr(backbone.preprocess)
    return digest(backbone.prepare(support.take([0])).cpu().numpy())


def _digest(request: Any) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:24]

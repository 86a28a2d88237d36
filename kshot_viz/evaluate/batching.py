"""Which candidates can be computed together, and how many: by the request's shapes alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from kshot_viz.errors import KShotValueError
from kshot_viz.evaluate.episode_cache import EXAMPLE, Case
from kshot_viz.evaluate.fast.network import Network
from kshot_viz.evaluate.fast.split import Tail
from kshot_viz.evaluate.fast.supported import batches
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.methods import METHODS
from kshot_viz.finetune.slots import step_sizes
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.models.modes import BATCH_NORM

# Candidates computed as one share the calls of a step, and lose by it once what they compute no
# longer lies in the cache: measured best at 2 to 4 MB of activations each, and at most 64.
CACHE_BYTES, MOST = 16 * 2**20, 64
# Values, their gradients and what lies between them; rows, their gradient, momentum, step sizes and
# shares, and the weights made of them.
ACTIVATION_COPIES, WEIGHT_COPIES = 4, 6


@dataclass(frozen=True)
class Kind:
    """Candidates of one kind may be computed together, ``together`` at a time."""

    loop: bool
    together: int
    likeness: tuple[Any, ...] = ()


class Kinds:
    """Sorts the candidates of an episode by what can be computed together."""

    def __init__(
        self, case: Case, ways: dict[int, Network], path: str, max_memory: int | None
    ) -> None:
        self._case, self._ways, self._path, self._max_memory = case, ways, path, max_memory
        self._tails: dict[Any, Tail] = {}
        self._sizes: dict[Tail, int] = {}

    def of(self, candidate: Candidate) -> Kind:
        """Return the kind of a candidate; those of one kind may be computed together."""
        if self._path == "loop":
            return Kind(loop=True, together=1)
        reason = self._why_not(candidate)
        if self._path == "fast" and reason:
            raise KShotValueError(f"path='fast' is not possible for {candidate.name!r}: {reason}.")
        if reason:
            return Kind(loop=True, together=1)
        tail = self._tail(candidate)
        config = candidate.config
        likeness = (tail.cut, config.optimizer, config.steps, candidate.method, candidate.apart)
        return Kind(False, self._together(tail), likeness)

    def _why_not(self, candidate: Candidate) -> str:
        if candidate.config.train_mode:
            return "with `train_mode` on, the images of a batch influence each other"
        if _mixes_images(self._case.backbone.module):
            return "a batch norm of it has no running statistics and mixes the images of a batch"
        if self._traced().graph is None:
            return "its network cannot be traced by torch.fx, or traced it answers differently"
        config, rule = candidate.config, isinstance(candidate.grouping, GroupingRule)
        if rule and config.others == "freeze" and not config.head_lr:
            return "the layers that move are known only in the episode"
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
            self._sizes[tail] = _together(tail, self._case, self._max_memory)
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

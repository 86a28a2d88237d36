"""Which candidates can be computed together, and how many: by the request's shapes alone."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from kshot_viz.errors import KShotValueError
from kshot_viz.evaluate.chunk_size import chunk_size
from kshot_viz.evaluate.episode_cache import EXAMPLE, EpisodeInputs
from kshot_viz.evaluate.fast.split import TracedNetwork, TrainedPart
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.slots import SlotPlan
from kshot_viz.models.modes import BATCH_NORM

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

_log = logging.getLogger(__name__)
PATHS = ("auto", "loop", "fast")


@dataclass(frozen=True)
class Kind:
    """Candidates of one kind may be computed together, ``together`` at a time."""

    loop: bool
    together: int
    likeness: tuple[Any, ...] = ()


LOOP = Kind(loop=True, together=1)


@dataclass(frozen=True, eq=False)
class _Traced:
    """The trained part of a candidate on the network of one way, or why it needs the loop."""

    slots: tuple[SlotPlan, ...]
    trained: TrainedPart | None
    reason: str = ""


_UNTRACED = "its network cannot be traced, or its trace computes something else"
_STILL = "nothing of its network moves"


class Batching:
    """Sorts candidates by what can be computed together; each is analysed once a way.

    Parameters
    ----------
    path : {"auto", "loop", "fast"}
    max_memory : int or None
        Bytes that candidates computed together may take.
    mix_names : bool
        Whether candidates of different names may be computed together.
    """

    def __init__(self, path: str, max_memory: int | None, *, mix_names: bool) -> None:
        self._path, self._max_memory, self._mix_names = path, max_memory, mix_names
        self._networks: dict[int, TracedNetwork] = {}
        self._traced: dict[tuple[Any, ...], _Traced] = {}
        self._sizes: dict[tuple[TrainedPart, int, bool], int] = {}

    def of(self, candidate: Candidate, inputs: EpisodeInputs) -> tuple[Kind, tuple[SlotPlan, ...]]:
        """Return the kind of a candidate on an episode, and its slots for the fast path."""
        if self._path == "loop":
            return LOOP, ()
        if not len(inputs.support):
            return self._by_loop(candidate, "there is no image to train on")
        key = (inputs.episode.way, *_what_trains(candidate, inputs.backbone))
        if key not in self._traced:
            self._traced[key] = self._trace(candidate, inputs)
            self._report(candidate, self._traced[key], inputs)
        found = self._traced[key]
        if found.trained is None:
            return self._by_loop(candidate, found.reason)
        name = "" if self._mix_names else candidate.name
        config, method = candidate.config, type(candidate.method)
        head = candidate.method.head
        likeness = (found.trained.cut, config.optimizer, config.steps, method, head.record, name)
        return Kind(False, self._together(found.trained, inputs, head.zero), likeness), found.slots

    def _by_loop(self, candidate: Candidate, reason: str) -> tuple[Kind, tuple[SlotPlan, ...]]:
        """Return the kind of a candidate that needs the loop; an error where that is refused."""
        if self._path == "fast":
            raise KShotValueError(f"path='fast' is not possible for {candidate.name!r}: {reason}.")
        return LOOP, ()

    def _report(self, candidate: Candidate, found: _Traced, inputs: EpisodeInputs) -> None:
        """Log how a candidate is computed, and those that differ from it in numbers alone."""
        if found.trained is None:
            _log.info("%r is computed by the reference loop: %s", candidate.name, found.reason)
            return
        part, together = (
            self._network(inputs).reach(found.trained),
            self._together(found.trained, inputs, candidate.method.head.zero),
        )
        _log.debug("%r is computed by the path %r, %d at once", candidate.name, part, together)

    def _trace(self, candidate: Candidate, inputs: EpisodeInputs) -> _Traced:
        reason = self._why_not(candidate, inputs)
        if reason:
            return _Traced((), None, reason)
        network = self._network(inputs)
        layers = grouped_layers(candidate, inputs.backbone)
        slots = candidate.method.plan(network.backbone, layers, candidate.config)
        if any(one.mixing is not None for one in slots):
            return _Traced((), None, "its groups share more than their mean")
        named = dict(network.backbone.module.named_parameters())
        config = candidate.config
        moved = {id(named[one.name]) for one in slots if one.lr(config) > 0}
        if not moved:
            return _Traced((), None, _STILL)
        head = {id(named[name]) for name in network.backbone.head_parameters()}
        if not candidate.method.head.zero and not head <= moved:
            return _Traced((), None, "its head starts elsewhere than at zero, and stays there")
        if network.graph_for(moved) is None:
            return _Traced((), None, _UNTRACED)
        trained = network.trained_part(moved)
        return _Traced(slots, trained) if trained.nodes else _Traced((), None, _STILL)

    def _why_not(self, candidate: Candidate, inputs: EpisodeInputs) -> str:
        if not candidate.method.batched:
            return f"the method {candidate.method.name!r} trains by steps of its own"
        if candidate.config.batch_size is not None:
            return "it trains on mini-batches"
        if candidate.config.train_mode:
            return "with `train_mode` on, the images of a batch influence each other"
        if _mixes_images(inputs.backbone.module):
            return "a batch norm of it has no running statistics and mixes the images of a batch"
        return ""

    def _network(self, inputs: EpisodeInputs) -> TracedNetwork:
        """Return the network with a head for these classes, traced once for all episodes."""
        way = inputs.episode.way
        if way not in self._networks:
            tuned = inputs.backbone.with_new_head(way)
            example = inputs.support.take(range(EXAMPLE))
            prepared = inputs.backbone.prepare(example)
            self._networks[way] = TracedNetwork(tuned, prepared, inputs.backbone)
        return self._networks[way]

    def _together(self, trained: TrainedPart, inputs: EpisodeInputs, zero_head: bool) -> int:
        key = (trained, len(inputs.support), zero_head)
        if key not in self._sizes:
            self._sizes[key] = chunk_size(trained, inputs, self._max_memory, zero_head=zero_head)
        return self._sizes[key]


def _what_trains(candidate: Candidate, backbone: Backbone) -> tuple[Any, ...]:
    """Return what the trained part of a candidate depends on: not how large a step size is."""
    config = candidate.config
    rest = json.dumps(config.but(lr=0.0, head_lr=0.0, steps=0).to_dict(), sort_keys=True)
    layers = tuple(grouped_layers(candidate, backbone))
    return candidate.method.record, layers, rest, config.lr > 0, config.head_lr > 0


def grouped_layers(candidate: Candidate, backbone: Backbone) -> Sequence[str]:
    """Return the layers that a candidate groups, though a rule may not have formed them yet."""
    if isinstance(candidate.grouping, GroupingRule):
        return candidate.grouping.layers(backbone)
    return tuple(candidate.grouping or ())


def _mixes_images(module: nn.Module) -> bool:
    norms = (one for one in module.modules() if isinstance(one, BATCH_NORM))
    return any(norm.running_mean is None for norm in norms)

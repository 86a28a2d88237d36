"""What the candidates of an episode share: prepared images, groupings and frozen features."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.evaluate.fast.split import (
    FrozenFeatures,
    TracedNetwork,
    TrainedPart,
    compute_frozen_features,
)
from kshot_viz.grouping.clustering.cluster_cache import ClusteringCache
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.models.head_init import HeadStart, started
from kshot_viz.models.inputs.support import Support, prepare_support

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

# Images that a network is traced with, here and where jobs are planned.
EXAMPLE = 2
# Frozen features of an episode are kept up to this many bytes, else computed again whenever they
# are needed.
KEEP_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class EpisodeInputs:
    """One episode, with its images only.

    ``key`` names the network, episode and seed by everything that determines their numbers, as far
    as that can be seen; ``call`` names the call of ``evaluate``, so that nothing prepared for one
    network is ever taken for another that looks alike.
    """

    backbone: Backbone
    episode: Episode
    support: ImageDataset
    query: ImageDataset
    seed: int
    key: str
    call: str
    device: str | None = None


# Values of the frozen part by the names of their nodes, batch by batch.
Named = list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What an episode cache holds that is costly to compute, in a form that can be sent."""

    images: tuple[Support, Tensor, Tensor]
    groupings: dict[str, Grouping]
    frozen: dict[tuple[str, ...], Named]
    heads: dict[str, dict[str, Tensor]]


@dataclass(eq=False)
class EpisodeCache:
    """The prepared images, groupings and frozen features of one episode.

    Everything is computed at first use and kept while jobs of the same episode follow one another.

    Attributes
    ----------
    inputs : EpisodeInputs
    loading : float
        Seconds that loading and preparing the images took.
    """

    inputs: EpisodeInputs
    loading: float = 0.0
    _network: TracedNetwork | None = None
    _images: tuple[Support, Tensor, Tensor] | None = None
    _groupings: dict[str, Grouping] = field(default_factory=dict)
    _cluster_cache: ClusteringCache | None = None
    _frozen: dict[tuple[str, ...], list[FrozenFeatures]] = field(default_factory=dict)
    _given: dict[tuple[str, ...], Named] = field(default_factory=dict)
    _heads: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    @property
    def support(self) -> Support:
        """The k-shot images, on the device of the run."""
        return self._prepared()[0]

    @property
    def queries(self) -> Tensor:
        """The prepared query images."""
        return self._prepared()[1]

    @property
    def query_targets(self) -> Tensor:
        """The class index of every query image, on the CPU."""
        return self._prepared()[2]

    def grouping(self, rule: Grouping | GroupingRule | None) -> Grouping | None:
        """Return a candidate's groups in this episode; a rule and its null share a clustering."""
        if not isinstance(rule, GroupingRule):
            return rule
        whole = self._whole(replace(rule, shuffled=False))
        if not rule.shuffled:
            return whole
        return rule.shuffle(whole, name=self.inputs.episode.name, seed=self.inputs.seed)

    def head(self, start: HeadStart) -> dict[str, Tensor]:
        """Return the parameters of a head that does not start at zero, by their names."""
        if start.zero:
            return {}
        if start.record not in self._heads:
            copy = _with_head(self.inputs, self.support)
            self._heads[start.record] = started(copy, start, self.support)
        return self._heads[start.record]

    @property
    def network(self) -> TracedNetwork:
        """The network with its new head as a graph."""
        if self._network is None:
            self._network = _network(self.inputs, self.support)
        return self._network

    def frozen_support(self, tail: TrainedPart) -> FrozenFeatures:
        """Return the frozen features of the support images."""
        return self._features("support", tail, [self.support.inputs])[0]

    def frozen_queries(self, tail: TrainedPart) -> list[FrozenFeatures]:
        """Return the frozen features of the query images, in batches."""
        batches = self.queries.split(max(32, 2 * len(self.support.inputs)))
        return self._features("query", tail, batches)

    def prepared(self) -> Prepared:
        """Return what another process need not compute again."""
        frozen = {
            key: [{node.name: value for node, value in one.values.items()} for one in batches]
            for key, batches in self._frozen.items()
        }
        return Prepared(self._prepared(), dict(self._groupings), frozen, dict(self._heads))

    def adopt(self, prepared: Prepared) -> None:
        """Take over what another process computed."""
        self._images = prepared.images
        self._groupings.update(prepared.groupings)
        self._given.update(prepared.frozen)
        self._heads.update(prepared.heads)

    def _features(
        self, kind: str, tail: TrainedPart, batches: Sequence[Tensor]
    ) -> list[FrozenFeatures]:
        key = (kind, *(node.name for node in tail.cut))
        if key in self._frozen:
            return self._frozen[key]
        if key in self._given:
            given = zip(self._given[key], batches, strict=True)
            found = [
                FrozenFeatures({node: values[node.name] for node in tail.cut}, len(images))
                for values, images in given
            ]
        else:
            found = [
                compute_frozen_features(tail, tail.graph.laid_out(images)) for images in batches
            ]
        kept = (one for batches in [found, *self._frozen.values()] for one in batches)
        if sum(one.nbytes for one in kept) <= KEEP_BYTES:
            self._frozen[key] = found
        return found

    def _whole(self, rule: GroupingRule) -> Grouping:
        if rule.key not in self._groupings:
            inputs = self.inputs
            if self._cluster_cache is None:
                self._cluster_cache = rule.clustering_cache(
                    inputs.backbone, inputs.support, inputs.seed, inputs.episode.name
                )
            self._groupings[rule.key] = rule.in_episode(
                inputs.backbone,
                inputs.support,
                name=inputs.episode.name,
                seed=inputs.seed,
                cache=self._cluster_cache,
            )
        return self._groupings[rule.key]

    def _prepared(self) -> tuple[Support, Tensor, Tensor]:
        if self._images is None:
            begin, given = time.perf_counter(), self.inputs
            support = prepare_support(given.backbone, given.support)
            query = prepare_support(given.backbone, given.query)
            queries, targets = query.inputs, query.targets.cpu()
            if given.device is not None:
                support, queries = support.to(given.device), queries.to(given.device)
            self._images = support, queries, targets
            self.loading += time.perf_counter() - begin
        return self._images


def episode_cache(inputs: EpisodeInputs) -> EpisodeCache:
    """Return the cache of an episode; jobs come episode by episode, so the last one is kept."""
    last: EpisodeCache | None = getattr(_KEPT, "last", None)
    if last is None or (last.inputs.call, last.inputs.key) != (inputs.call, inputs.key):
        before = last._network if last is not None and _same(last.inputs, inputs) else None
        last = _KEPT.last = EpisodeCache(inputs, _network=before)
    return last


def clear_episode_cache() -> None:
    """Release the network and images of the last episode."""
    _KEPT.last = None


def _same(first: EpisodeInputs, second: EpisodeInputs) -> bool:
    """Say whether one traced network serves both."""
    return first.call == second.call and first.episode.way == second.episode.way


def _network(inputs: EpisodeInputs, support: Support) -> TracedNetwork:
    return TracedNetwork(_with_head(inputs, support), support.inputs[:EXAMPLE], inputs.backbone)


def _with_head(inputs: EpisodeInputs, support: Support) -> Backbone:
    """Return a copy of the network with a head for the support's classes, at zero."""
    tuned = inputs.backbone.with_new_head(len(support.classes))
    return tuned if inputs.device is None else tuned.to(inputs.device)


# Calls in several threads may run at once, and each has a network of its own.
_KEPT = threading.local()

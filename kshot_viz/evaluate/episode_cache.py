"""One episode with everything that its candidates share, prepared once in each process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.evaluate.fast.network import Network
from kshot_viz.evaluate.fast.split import Frozen, Tail, freeze
from kshot_viz.finetune.support import Support, prepare_support
from kshot_viz.grouping.clustering.cluster_cache import Clusterings
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

# Images that a network is traced with, here and where jobs are planned.
EXAMPLE = 2
# What the frozen parts answer to an episode's images is kept up to this many bytes, else computed
# again whenever it is needed.
KEEP_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Case:
    """One episode, with its images only.

    ``place`` names the network, episode and seed by everything that decides their numbers, as far
    as that can be seen; ``call`` names the call of ``evaluate``, so that nothing prepared for one
    network is ever taken for another that looks alike.
    """

    backbone: Backbone
    episode: Episode
    support: ImageDataset
    query: ImageDataset
    seed: int
    place: str
    call: str
    device: str | None = None


# Values of the frozen part by the names of their nodes, batch by batch.
Named = list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a desk holds that is costly to make, in a form that other processes can take over."""

    images: tuple[Support, Tensor, Tensor]
    groupings: dict[str, Grouping]
    frozen: dict[tuple[str, ...], Named]


@dataclass(eq=False)
class Desk:
    """A case laid out for work: prepared images, groupings and frozen features.

    Everything is made at first use and kept while jobs of the same episode follow one another.
    """

    case: Case
    network: Network | None = None
    _images: tuple[Support, Tensor, Tensor] | None = None
    _groupings: dict[str, Grouping] = field(default_factory=dict)
    _clusterings: Clusterings | None = None
    _frozen: dict[tuple[str, ...], list[Frozen]] = field(default_factory=dict)
    _given: dict[tuple[str, ...], Named] = field(default_factory=dict)

    @property
    def support(self) -> Support:
        """The k-shot images, on the case's device."""
        return self._prepared()[0]

    @property
    def queries(self) -> Tensor:
        """The prepared query images."""
        return self._prepared()[1]

    @property
    def answers(self) -> Tensor:
        """The class index of every query image, on the CPU."""
        return self._prepared()[2]

    def grouping(self, rule: Grouping | GroupingRule | None) -> Grouping | None:
        """Return a candidate's groups in this episode; a rule and its null share a clustering."""
        if not isinstance(rule, GroupingRule):
            return rule
        whole = self._whole(replace(rule, shuffled=False))
        if not rule.shuffled:
            return whole
        return rule.shuffle(whole, name=self.case.episode.name, seed=self.case.seed)

    def traced(self) -> Network:
        """Return the network with its new head as a graph."""
        if self.network is None:
            self.network = _network(self.case, self.support)
        return self.network

    def frozen_support(self, tail: Tail) -> Frozen:
        """Return what the frozen part answers to the support images."""
        return self._answer("support", tail, [self.support.inputs])[0]

    def frozen_queries(self, tail: Tail) -> list[Frozen]:
        """Return what the frozen part answers to the query images, in batches."""
        batches = self.queries.split(max(32, 2 * len(self.support.inputs)))
        return self._answer("query", tail, batches)

    def prepared(self) -> Prepared:
        """Return what another process need not compute again."""
        frozen = {
            key: [{node.name: value for node, value in one.values.items()} for one in batches]
            for key, batches in self._frozen.items()
        }
        return Prepared(self._prepared(), dict(self._groupings), frozen)

    def adopt(self, prepared: Prepared) -> None:
        """Take over what another process computed."""
        self._images = prepared.images
        self._groupings.update(prepared.groupings)
        self._given.update(prepared.frozen)

    def _answer(self, kind: str, tail: Tail, batches: Sequence[Tensor]) -> list[Frozen]:
        key = (kind, *(node.name for node in tail.cut))
        if key in self._frozen:
            return self._frozen[key]
        if key in self._given:
            given = zip(self._given[key], batches, strict=True)
            found = [
                Frozen({node: values[node.name] for node in tail.cut}, len(images))
                for values, images in given
            ]
        else:
            found = [freeze(tail, tail.graph.laid_out(images)) for images in batches]
        kept = (one for batches in [found, *self._frozen.values()] for one in batches)
        if sum(one.nbytes for one in kept) <= KEEP_BYTES:
            self._frozen[key] = found
        return found

    def _whole(self, rule: GroupingRule) -> Grouping:
        if rule.key not in self._groupings:
            case = self.case
            if self._clusterings is None:
                self._clusterings = rule.clusterings(
                    case.backbone, case.support, case.seed, case.episode.name
                )
            self._groupings[rule.key] = rule.in_episode(
                case.backbone,
                case.support,
                name=case.episode.name,
                seed=case.seed,
                clusterings=self._clusterings,
            )
        return self._groupings[rule.key]

    def _prepared(self) -> tuple[Support, Tensor, Tensor]:
        if self._images is None:
            case = self.case
            support = prepare_support(case.backbone, case.support)
            query = prepare_support(case.backbone, case.query)
            answers = query.targets.cpu()
            inputs, targets, queries = support.inputs, support.targets, query.inputs
            if case.device is not None:
                inputs, targets, queries = (x.to(case.device) for x in (inputs, targets, queries))
            self._images = Support(inputs, targets, support.classes), queries, answers
        return self._images


def desk(case: Case) -> Desk:
    """Return the desk of a case; jobs come episode by episode, so the last one is kept."""
    global _LAST
    if _LAST is None or (_LAST.case.call, _LAST.case.place) != (case.call, case.place):
        before = _LAST.network if _LAST is not None and _same(_LAST.case, case) else None
        _LAST = Desk(case, before)
    return _LAST


def clear_desk() -> None:
    """Let go of the network and images of the last case."""
    global _LAST
    _LAST = None


def _same(first: Case, second: Case) -> bool:
    """Say whether one traced network serves both."""
    return first.call == second.call and first.episode.way == second.episode.way


def _network(case: Case, support: Support) -> Network:
    tuned = case.backbone.with_new_head(len(support.classes))
    if case.device is not None:
        tuned = tuned.to(case.device)
    return Network(tuned, support.inputs[:EXAMPLE])


_LAST: Desk | None = None

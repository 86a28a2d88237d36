"""Rule to form a grouping from an episode's support, source images or weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

from kshot_viz.activations.pooling import POOLS
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.clustering.cluster import DEAD, check_bounds
from kshot_viz.grouping.clustering.cluster_cache import ClusteringCache
from kshot_viz.grouping.clustering.methods import METHODS, check_metric
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.records import plain, record_digest
from kshot_viz.seeds import child_seed
from kshot_viz.text import counted
from kshot_viz.threads import one_thread

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

SOURCES = ("support", "source", "weights", "gradients")
# What is another in every episode.
OF_EPISODE = ("support", "gradients")


@dataclass(frozen=True)
class GroupingRule:
    """How to group neurons in each episode.

    Attributes
    ----------
    groups_from : {"support", "source", "weights", "gradients"} or mapping
        What makes two neurons alike: their activations on the episode's k-shot images, their
        activations on given source images, their weights, or the gradients that they get from each
        k-shot image below a logistic regression.
    n_groups : float, int or mapping
        As in :func:`cluster_neurons`.
    max_within, min_between : float, optional, or mapping
        As in :func:`cluster_neurons`.
    method, dead
        As in :func:`cluster_neurons`.
    pool : str
        As in :func:`capture_activations`.
    shuffled : bool
        Keep the sizes, draw the members at random in every episode: the null grouping.
    given : Grouping, optional
        The grouping, made already; where ``groups_from`` is a mapping, that of some layers.
    metric : str
        As in :func:`cluster_neurons`.

    A mapping gives each layer its own setting; a layer that is not in it follows the support, or
    has no bound.
    """

    groups_from: str | Mapping[str, str] = "support"
    n_groups: float | int | Mapping[str, float | int] = 0.1
    method: str = "kmeans"
    pool: str = "grid"
    max_within: float | Mapping[str, float | None] | None = None
    min_between: float | Mapping[str, float | None] | None = None
    dead: str = "separate"
    shuffled: bool = False
    given: Grouping | None = None
    metric: str = "euclidean"

    def __post_init__(self) -> None:
        choices = {"groups_from": SOURCES, "method": METHODS, "pool": POOLS, "dead": DEAD}
        for name, allowed in choices.items():
            given = getattr(self, name)
            for one in given.values() if isinstance(given, Mapping) else [given]:
                if one not in allowed:
                    raise unknown_name(name, one, allowed)
        check_metric(self.metric, self.method)
        check_bounds(max_within=self.max_within, min_between=self.min_between)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        record = {item.name: getattr(self, item.name) for item in fields(self)}
        record["given"] = None if self.given is None else self.given.to_dict()
        if self.metric == "euclidean":
            # Rules of before have none, and keep their keys.
            del record["metric"]
        return plain(record)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> GroupingRule:
        """Rebuild a rule."""
        given = record.get("given")
        return cls(**{**record, "given": None if given is None else Grouping.from_dict(given)})

    @property
    def summary(self) -> str:
        """What forms the groups, in words."""
        null = ["shuffled"] if self.shuffled else []
        if self._whole is not None:
            return ", ".join([*null, f"{counted(len(self._whole), 'layer')} given"])
        size = f"groups: {self.n_groups} a layer"
        if isinstance(self.n_groups, Mapping):
            size = f"groups of {counted(len(self.n_groups), 'layer')}"
        elif isinstance(self.n_groups, float):
            size = f"groups: {self.n_groups:g} of the width"
        how = self.method if self.metric == "euclidean" else f"{self.method} by {self.metric}"
        return ", ".join([*null, size, how, f"from {' and '.join(sorted(self.kinds))}"])

    @property
    def key(self) -> str:
        """A short digest of the rule, the same on every machine."""
        return record_digest(self.to_dict())

    @property
    def kinds(self) -> set[str]:
        """The sources that form the groups of the layers."""
        by = self.groups_from
        return set(by.values()) if isinstance(by, Mapping) else {by}

    def bind(
        self,
        backbone: Backbone,
        *,
        source: Any = None,
        seed: int = 0,
        cache: ClusteringCache | None = None,
    ) -> Grouping | Self:
        """Make the groups that are the same in every episode: from source images or weights.

        Parameters
        ----------
        backbone : Backbone
        source : image batch, optional
        seed : int
        cache : ClusteringCache, optional
            Clustered layers of the source, where several rules share them.

        Returns
        -------
        Grouping or GroupingRule
            A rule where each episode's support forms the groups, of some layers at least.
        """
        if self._whole is not None:
            self._whole.check(backbone)
            return self._whole
        ready = [name for name in self.layers(backbone) if self._from(name) not in OF_EPISODE]
        missing = [name for name in ready if name not in (self.given or ())]
        given = self.given
        if missing:
            made = self._cut(cache or self.clustering_cache(backbone, source, seed), missing)
            given = made if given is None else given.join(made)
        if given is None:
            return self
        given.check(backbone)
        whole = set(given) == set(self.layers(backbone)) and not self.shuffled
        return given if whole else replace(self, given=given)

    def in_episode(
        self,
        backbone: Backbone,
        support: Any,
        *,
        name: str,
        seed: int = 0,
        cache: ClusteringCache | None = None,
        labels: Any = None,
    ) -> Grouping:
        """Make the grouping of one episode.

        Parameters
        ----------
        backbone : Backbone
        support : image batch
            The episode's k-shot images.
        name : str
            The episode's name; child seeds are derived from it.
        seed : int
        cache : ClusteringCache, optional
            Clustered layers of the support, where several rules share them.
        labels : sequence, optional
            Of the images, for groups from gradients; a data set has its own.
        """
        made = self._whole or self.given
        if self._whole is None:
            missing = [one for one in self.layers(backbone) if one not in (made or ())]
            if any(self._from(one) == "source" for one in missing):
                raise KShotValueError(
                    "Groups from 'source' are made once, from `source=`; the support cannot "
                    "replace it."
                )
            if missing:
                known = cache or self.clustering_cache(backbone, support, seed, name, labels)
                found = self._cut(known, missing)
                made = found if made is None else made.join(found)
        assert made is not None
        return self.shuffle(made, name=name, seed=seed) if self.shuffled else made

    def layers(self, backbone: Backbone) -> list[str]:
        """Return the layers that are grouped."""
        if self._whole is not None:
            return list(self._whole)
        if isinstance(self.n_groups, Mapping):
            return list(self.n_groups)
        return list(backbone.layers)

    def unmade(self, backbone: Backbone) -> set[str]:
        """Return the sources of the layers whose groups are not given."""
        if self._whole is not None:
            return set()
        given = self.given or ()
        return {self._from(one) for one in self.layers(backbone) if one not in given}

    @staticmethod
    def clustering_cache(
        backbone: Backbone,
        images: Any,
        seed: int,
        episode: str | None = None,
        labels: Any = None,
    ) -> ClusteringCache:
        """Return a cache for rules to share: of source images, or of an episode's support."""
        names = ("grouping",) if episode is None else ("grouping", episode)
        return ClusteringCache(backbone, images, seed=child_seed(seed, *names), labels=labels)

    def shuffle(self, whole: Grouping, *, name: str, seed: int) -> Grouping:
        """Return the null grouping of one episode."""
        return whole.shuffled(seed=child_seed(seed, "shuffle", name))

    def edited(self, made: Grouping, now: Grouping) -> GroupingRule:
        """Return the rule after an edit by hand of the groups that it made in one episode.

        Layers that were edited have the groups of ``now`` in every episode, all others are formed
        anew in each.

        Parameters
        ----------
        made : Grouping
            What the rule made.
        now : Grouping
            The same after the edit; a layer that it lacks trains freely.
        """
        if now == made:
            return self
        if self._whole is not None:
            return replace(self, given=now)
        changed = [one for one in now if one not in made or now.only([one]) != made.only([one])]
        given = self.given or Grouping({})
        kept = [one for one in given if one in now and one not in changed]
        return replace(
            self,
            groups_from={one: self._from(one) for one in now},
            n_groups={one: _of(self.n_groups, one, 1.0) for one in now},
            given=given.only(kept).join(now.only(changed)),
        )

    @property
    def _whole(self) -> Grouping | None:
        """The grouping, where it was given whole and not layer by layer."""
        return None if isinstance(self.groups_from, Mapping) else self.given

    def _from(self, layer: str) -> str:
        found = _of(self.groups_from, layer, "support")
        assert isinstance(found, str)
        return found

    def _cut(self, cache: ClusteringCache, layers: Sequence[str]) -> Grouping:
        """Group some layers, each by its own settings."""
        rows, last = {}, {}
        by: dict[str, list[str]] = {}
        for name in layers:
            by.setdefault(self._from(name), []).append(name)
        # One thread: sums in another order could move a neuron on the border between two groups.
        with one_thread():
            for groups_from, names in by.items():
                found = cache.layers(
                    names,
                    groups_from=groups_from,
                    pool=self.pool,
                    method=self.method,
                    dead=self.dead,
                    metric=self.metric,
                )
                for name, layer in found.items():
                    rows[name], last[name] = layer.labels(
                        _of(self.n_groups, name, 1.0),
                        max_within=_of(self.max_within, name, None),
                        min_between=_of(self.min_between, name, None),
                    )
        ordered = {name: rows[name] for name in layers}
        return Grouping(ordered, dead=last, origin=replace(self, given=None).to_dict())


def _of(setting: Any, layer: str, default: Any) -> Any:
    """Return a layer's own setting, or the one of all layers."""
    return setting.get(layer, default) if isinstance(setting, Mapping) else setting

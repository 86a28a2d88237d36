"""A rule that makes a grouping once the images are known: what forms the groups, and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from kshot_viz.activations import Activations, LayerActivations, capture_activations
from kshot_viz.activations.geometry import mean_and_std
from kshot_viz.activations.pooling import POOLS
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.cluster import DEAD, cluster_neurons
from kshot_viz.grouping.files import plain
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.methods import METHODS
from kshot_viz.seeds import child_seed

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

SOURCES = ("support", "source", "weights")


@dataclass(frozen=True)
class GroupingRule:
    """How to group neurons in each episode.

    Attributes
    ----------
    groups_from : {"support", "source", "weights"}
        What makes two neurons alike: their answers to the episode's k-shot images, their answers
        to given source images, or their weights.
    n_groups : float, int or mapping
        As in :func:`cluster_neurons`.
    method, max_within, min_between, dead
        As in :func:`cluster_neurons`.
    pool : str
        As in :func:`capture_activations`.
    shuffled : bool
        Keep the sizes, draw the members at random in every episode: the null grouping.
    given : Grouping, optional
        The grouping, made already.
    """

    groups_from: str = "support"
    n_groups: float | int | Mapping[str, float | int] = 0.1
    method: str = "kmeans"
    pool: str = "grid"
    max_within: float | None = None
    min_between: float | None = None
    dead: str = "separate"
    shuffled: bool = False
    given: Grouping | None = None

    def __post_init__(self) -> None:
        choices = {"groups_from": SOURCES, "method": METHODS, "pool": POOLS, "dead": DEAD}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise unknown_name(name, getattr(self, name), allowed)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        record = {item.name: getattr(self, item.name) for item in fields(self)}
        record["given"] = None if self.given is None else self.given.to_dict()
        return plain(record)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> GroupingRule:
        """Rebuild a rule."""
        given = record.get("given")
        return cls(**{**record, "given": None if given is None else Grouping.from_dict(given)})

    @property
    def key(self) -> str:
        """A short digest of the rule, the same on every machine."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def bind(self, backbone: Backbone, *, source: Any = None, seed: int = 0) -> Grouping | Self:
        """Make the groups that are the same in every episode: from source images or weights.

        Returns
        -------
        Grouping or GroupingRule
            The rule itself where each episode's support forms the groups.
        """
        if self.groups_from == "support":
            return self
        made = self.given
        if made is None:
            made = self._cluster(backbone, source, child_seed(seed, "grouping"))
        made.check(backbone)
        return made

    def in_episode(self, backbone: Backbone, support: Any, *, name: str, seed: int = 0) -> Grouping:
        """Make the grouping of one episode.

        Parameters
        ----------
        backbone : Backbone
        support : image batch
            The episode's k-shot images.
        name : str
            The episode's name; child seeds are derived from it.
        seed : int
        """
        whole = self.given
        if whole is None and self.groups_from == "source":
            raise KShotValueError(
                "Groups from 'source' are made once, from `source=`; the support cannot stand in."
            )
        if whole is None:
            whole = self._cluster(backbone, support, child_seed(seed, "grouping", name))
        return self.shuffle(whole, name=name, seed=seed) if self.shuffled else whole

    def shuffle(self, whole: Grouping, *, name: str, seed: int) -> Grouping:
        """Return the null grouping of one episode."""
        return whole.shuffled(seed=child_seed(seed, "shuffle", name))

    def _cluster(self, backbone: Backbone, images: Any, seed: int) -> Grouping:
        return cluster_neurons(
            self._activations(backbone, images),
            n_groups=self.n_groups,
            method=self.method,
            max_within=self.max_within,
            min_between=self.min_between,
            dead=self.dead,
            seed=seed,
        )

    def _activations(self, backbone: Backbone, images: Any) -> Activations:
        if self.groups_from == "weights":
            return weight_features(backbone)
        if images is None:
            raise KShotValueError(
                f"Groups from {self.groups_from!r} need images: give `{self.groups_from}=`."
            )
        layers = list(self.n_groups) if isinstance(self.n_groups, Mapping) else None
        return capture_activations(backbone, images, layers=layers, pool=self.pool)


def weight_features(backbone: Backbone) -> Activations:
    """Describe every neuron by its own weights instead of by what it answers.

    Returns
    -------
    Activations
        Layer -> (neurons, weights of the row); ``n_images`` is 0.
    """
    rows = {name: _weights(backbone, name) for name in backbone.layers}
    return Activations(rows, "weights", 0, backbone.name)


def _weights(backbone: Backbone, layer: str) -> LayerActivations:
    weight = backbone.tied_parameters(layer)[f"{layer}.weight"].detach()
    rows = weight.cpu().flatten(1)
    # A copy in at least float32: the parameter itself may train later.
    points = np.array((rows if rows.dtype == torch.float64 else rows.float()).numpy())
    mean, std = mean_and_std(points)
    # A neuron with a single weight has no spread, yet it is not dead: its level is its activity.
    spread = std if points.shape[1] > 1 else np.abs(mean)
    return LayerActivations(points, mean, spread, points.shape[1])

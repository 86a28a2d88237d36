"""Groups that are formed anew while the network is tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from kshot_viz.activations.capture import capture_prepared
from kshot_viz.activations.pooling import POOLS
from kshot_viz.checks import check, whole
from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.clustering.cluster_cache import ClusteredLayer
from kshot_viz.grouping.clustering.methods import METHODS, METRICS
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.labels import Labels
from kshot_viz.methods.frozen_body import new_head
from kshot_viz.methods.grouped import Sharing
from kshot_viz.methods.hooks import Setup, Step
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.sharing.ties import Ties
from kshot_viz.methods.slots import Slot
from kshot_viz.models.backbone import Backbone

CURRENT = "current_groups"


@register_method
@dataclass(frozen=True)
class Regrouped(Sharing):
    """Groups are formed anew, every few steps, from the network's activations at that step.

    There are as many groups in each layer as in the grouping that a run starts with, and they are
    clustered as the grouping says that it was (``Grouping.origin``), from the support. What
    momentum a neuron has, it keeps.

    Attributes
    ----------
    every : int
        Steps between two groupings.
    """

    name = "regrouped"
    label = "groups formed anew"
    sees_total = False
    every: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check("every", self.every, whole(1))

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Keep the groups beside the head, where each step finds those of its time."""
        groups = setup.grouping or Grouping({})
        current = CurrentGroups(setup.support.inputs, groups, setup.config.reduce)
        new_head(network).add_module(CURRENT, current)
        layer_of = {name: layer for layer in groups for name in network.tied_parameters(layer)}
        return [
            replace(slot, share=CurrentTies(current, layer_of[slot.name]))
            if slot.name in layer_of
            else slot
            for slot in super().attach(network, setup)
        ]

    def before_step(self, network: Backbone, step: Step) -> None:
        """Form the groups anew where it is time to."""
        if step.number and step.number % self.every == 0:
            groups_of(network).form(network)


class CurrentGroups(nn.Module):
    """The groups that hold at the moment, and the images that the next ones are formed from.

    Parameters
    ----------
    inputs : Tensor, shape (N, ...)
        Prepared.
    grouping : Grouping
    reduce : str
        As in :class:`FinetuneConfig`.
    """

    def __init__(self, inputs: Tensor, grouping: Grouping, reduce: str) -> None:
        super().__init__()
        self.register_buffer("inputs", inputs, persistent=False)
        self._reduce = reduce
        self.labels: dict[str, Labels] = dict(grouping.items())
        # Dead neurons have a group besides.
        self._counts = {
            layer: max(1, grouping.n_groups(layer) - (grouping.dead_group(layer) is not None))
            for layer in grouping
        }
        self._how, self._pool = _clustering(grouping.origin)
        self._ties: dict[str, Ties] = {}

    def form(self, network: Backbone) -> None:
        """Cluster the neurons of every grouped layer as they activate now."""
        inputs = self.get_buffer("inputs")
        try:
            found = capture_prepared(network, inputs, list(self.labels), pool=self._pool)
            labels = {
                name: ClusteredLayer(found.layer(name), name, **self._how).labels(count)[0]
                for name, count in self._counts.items()
            }
        except KShotValueError:
            # A run that diverges has layers that no clustering takes; it keeps its groups.
            return
        self.labels, self._ties = labels, {}

    def ties(self, layer: str, device: torch.device) -> Ties:
        """Return how the neurons of a layer are tied at the moment."""
        if layer not in self._ties:
            self._ties[layer] = Ties(self.labels[layer], reduce=self._reduce, device=device)
        return self._ties[layer]


class CurrentTies:
    """Shares gradients inside the groups of the moment."""

    def __init__(self, groups: CurrentGroups, layer: str) -> None:
        self._groups, self._layer = groups, layer

    def __call__(self, gradient: Tensor) -> Tensor:
        """Return the shared gradient."""
        return self._groups.ties(self._layer, gradient.device)(gradient)

    def pull(self, difference: Tensor) -> Tensor:
        """Return the group means of the pull."""
        return self._groups.ties(self._layer, difference.device).pull(difference)


def groups_of(network: Backbone) -> CurrentGroups:
    """Return the groups of the moment that a network carries beside its head."""
    return cast(CurrentGroups, new_head(network).get_submodule(CURRENT))


def _clustering(origin: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return how a grouping was clustered, and by which pooling, as far as it says so."""
    known = {"method": list(METHODS), "metric": list(METRICS), "pool": list(POOLS)}
    found = {name: origin[name] for name in known if origin.get(name) in known[name]}
    pool = found.pop("pool", "grid")
    return found, pool

"""Training in a random subspace (Li, Farkhoor, Liu, Yosinski, ICLR 2018)."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from kshot_viz.checks import check, whole
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.frozen_body import new_head
from kshot_viz.methods.hooks import Batch, Setup, Step
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.slots import Slot, plan_slots
from kshot_viz.models.backbone import Backbone
from kshot_viz.seeds import torch_rng

SUBSPACE = "subspace"


class Subspace(nn.Module):
    """A point in a random affine subspace of the values of some parameters.

    Each value follows one coordinate, with a sign: a sparse projection whose columns do not
    overlap and are as long as each other, but for one value. It takes five bytes a value, while a
    full matrix would take four times the number of coordinates.

    Parameters
    ----------
    starts : mapping of str to Tensor
        Where the coordinates are zero.
    factors : mapping of str to float
        What each parameter's move is multiplied by.
    dimension : int
        Number of coordinates; no more than there are values.
    seed : int
    """

    def __init__(
        self,
        starts: Mapping[str, Tensor],
        factors: Mapping[str, float],
        dimension: int,
        seed: int,
    ) -> None:
        super().__init__()
        like = next(iter(starts.values()))
        self._shapes = {name: one.shape for name, one in starts.items()}
        self._factors = dict(factors)
        sizes = [one.numel() for one in starts.values()]
        rng = torch_rng(seed, SUBSPACE)
        # By a permutation, so that every coordinate moves something.
        axes = torch.randperm(sum(sizes), generator=rng) % min(dimension, sum(sizes))
        signs = torch.randint(0, 2, (sum(sizes),), generator=rng, dtype=torch.int8) * 2 - 1
        parts = zip(starts.values(), axes.int().split(sizes), signs.split(sizes), strict=True)
        for index, (start, axis, sign) in enumerate(parts):
            values = {"start": start.detach().clone(), "axis": axis.clone(), "sign": sign.clone()}
            for kind, value in values.items():
                self.register_buffer(f"{kind}_{index}", value.to(like.device), persistent=False)
        self.point = nn.Parameter(torch.zeros(min(dimension, sum(sizes))).to(like))

    def values(self) -> dict[str, Tensor]:
        """Return the values of the parameters at the point, with a gradient to it."""
        return {name: self._values(index, name) for index, name in enumerate(self._shapes)}

    def _values(self, index: int, name: str) -> Tensor:
        moved = self.point.index_select(0, self.get_buffer(f"axis_{index}"))
        moved = moved * self.get_buffer(f"sign_{index}") * self._factors[name]
        return self.get_buffer(f"start_{index}") + moved.reshape(self._shapes[name])


@register_method
@dataclass(frozen=True)
class RandomSubspace(Method):
    """All of the body moves in a random subspace of few dimensions; the head trains as usual.

    Every value of the body follows one of the coordinates, up or down, scaled so that a step lowers
    the loss as much as in plain fine-tuning, to first order; with SGD it is sqrt(values /
    dimension) times as long. As many coordinates as values are plain fine-tuning.

    Attributes
    ----------
    dimension : int
        Number of coordinates.
    subspace_seed : int
        Of which values follow a coordinate, and of their signs.
    """

    name = "random_subspace"
    label = "random subspace"
    sees_total = False
    tuned = ("lr", "head_lr", "dimension")
    tries: ClassVar[Mapping[str, tuple[Any, ...]]] = {"dimension": (64, 1024)}
    dimension: int = 256
    subspace_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check("dimension", self.dimension, whole(1))
        check("subspace_seed", self.subspace_seed, whole(0))

    def trained(
        self, network: Backbone, layers: Collection[str], config: FinetuneConfig
    ) -> Collection[str]:
        """Return no parameter of the body: none moves on its own."""
        return ()

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Draw the subspace, and return its coordinates and the head."""
        slots, config = super().attach(network, setup), setup.config
        body = set(super().trained(network, (), config)) - network.head_parameters()
        plans = plan_slots(network, body, (), config)
        # With SGD a factor counts twice, in the gradient of a coordinate and in what it moves.
        power = 0.5 if config.optimizer == "sgd" else 1.0
        factors = {one.name: one.factor**power for one in plans if one.name in body}
        if not (factors and config.lr):
            return slots
        starts = {name: network.module.get_parameter(name) for name in factors}
        subspace = Subspace(starts, factors, self.dimension, self.subspace_seed)
        new_head(network).add_module(SUBSPACE, subspace)
        name = f"{network.head_name}.{SUBSPACE}.point"
        return [*slots, Slot(name, subspace.point, config.lr)]

    def loss(self, network: Backbone, batch: Batch) -> Tensor:
        """Return the loss where the coordinates are."""
        subspace = subspace_of(network)
        if subspace is not None:
            given = (batch.inputs.clone(),)
            batch.logits = functional_call(network.module, subspace.values(), given)
        return super().loss(network, batch)

    @torch.no_grad()
    def after_step(self, network: Backbone, step: Step) -> None:
        """Set the parameters to what the coordinates say."""
        subspace = subspace_of(network)
        values = {} if subspace is None else subspace.values()
        for name, value in values.items():
            network.module.get_parameter(name).copy_(value)

    @classmethod
    def merged(cls, network: Backbone) -> Backbone:
        """Return a copy without the coordinates; its parameters have their values already."""
        found = copy.deepcopy(network)
        if subspace_of(found) is not None:
            delattr(new_head(found), SUBSPACE)
        return found


def subspace_of(network: Backbone) -> Subspace | None:
    """Return the subspace that a network moves in, or None where nothing of its body does."""
    return cast("Subspace | None", getattr(new_head(network), SUBSPACE, None))

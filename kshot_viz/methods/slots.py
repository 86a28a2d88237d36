"""Which parameters train, with which step size, and whose gradients are shared."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.labels import Labels
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.sharing.ties import MixedTies, Mixing, Share, Ties

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, eq=False)
class Slot:
    """A parameter that trains.

    Attributes
    ----------
    name : str
    parameter : nn.Parameter
    lr : float
        Its step size, > 0.
    labels : ndarray of int, shape (neurons,), or None
        The group of each neuron (entry of the first axis); the members of a group share one
        gradient. None: every neuron has its own.
    share : Share or None
        How the gradient is shared, where not as the labels say.
    """

    name: str
    parameter: nn.Parameter
    lr: float
    labels: Labels | None = None
    share: Share | None = None


@dataclass(frozen=True)
class SlotPlan:
    """A slot by name: what is known before the groups of an episode are.

    Attributes
    ----------
    name : str
    rate : str
        The setting that its step size comes from, ``"lr"`` or ``"head_lr"``.
    factor : float
        What that is multiplied by; 0 for a parameter of a grouped layer that stays.
    layer : str or None
        The layer whose groups share the gradient.
    mixing : Mixing or None
        What its neurons are given besides the mean of their group.
    """

    name: str
    rate: str
    factor: float
    layer: str | None = None
    mixing: Mixing | None = None

    def lr(self, config: FinetuneConfig) -> float:
        """Return the step size."""
        return getattr(config, self.rate) * self.factor


def plan_slots(
    network: Backbone, trained: Collection[str], layers: Iterable[str], config: FinetuneConfig
) -> tuple[SlotPlan, ...]:
    """Give every parameter that trains its step size, and the layer whose groups it follows.

    Parameters
    ----------
    network : Backbone
        With its new head, whose parameters always train (at ``config.head_lr``).
    trained : collection of str
        Names of the body's parameters that train.
    layers : iterable of str
        The grouped layers.

    Raises
    ------
    KShotValueError
        If ``config.layer_lr`` names the head.
    KShotKeyError
        If ``config.layer_lr`` names no module, or a name in ``trained`` no parameter.
    """
    _check_layer_lr(network, config.layer_lr)
    _check_size(network, config)
    trained = {trained} if isinstance(trained, str) else set(trained)
    named = dict(network.module.named_parameters(remove_duplicate=False))
    for name in trained:
        if name not in named:
            raise unknown_name("parameter", name, named)
    factors = _factors(network, named, trained, config.layer_lr)
    head = {id(named[name]) for name in network.head_parameters()}
    # By identity: a weight may be shared under two names.
    tied = {id(one): layer for layer in layers for one in network.tied_parameters(layer).values()}
    return tuple(
        SlotPlan(name, "head_lr" if id(one) in head else "lr", factors[id(one)], tied.get(id(one)))
        for name, one in network.module.named_parameters()
        if factors[id(one)] > 0 or id(one) in tied
    )


def _check_size(network: Backbone, config: FinetuneConfig) -> None:
    """Refuse step sizes that the network's numbers cannot hold."""
    floats = [one.dtype for one in network.module.parameters() if one.is_floating_point()]
    most = min((torch.finfo(one).max for one in floats), default=float("inf"))
    for name in ("lr", "head_lr"):
        if getattr(config, name) > most:
            raise KShotValueError(
                f"`{name}` must be at most {most:.2g} for a network of {floats[0]}; not "
                f"{getattr(config, name):g}."
            )


def make_slots(
    network: Backbone,
    plans: Sequence[SlotPlan],
    grouping: Grouping | None,
    config: FinetuneConfig,
) -> list[Slot]:
    """Return the slots of a network, with the groups of an episode."""
    named = dict(network.module.named_parameters())
    return [
        _slot(one, named[one.name], labels_of(one, grouping), config)
        for one in plans
        if one.lr(config) > 0
    ]


def _slot(
    plan: SlotPlan, parameter: nn.Parameter, labels: Labels | None, config: FinetuneConfig
) -> Slot:
    share = None
    if plan.mixing is not None and labels is not None:
        ties = Ties(labels, reduce=config.reduce, device=parameter.device)
        share = MixedTies(ties, plan.mixing)
    return Slot(plan.name, parameter, plan.lr(config), labels, share)


def labels_of(plan: SlotPlan, grouping: Grouping | None) -> Labels | None:
    """Return the groups that share a parameter's gradient, or None."""
    return None if grouping is None or plan.layer is None else grouping[plan.layer]


def layer_steps(
    network: Backbone, plans: Iterable[SlotPlan], config: FinetuneConfig
) -> dict[str, float]:
    """Return what the step size of each layer is multiplied by; 0 for a layer that is frozen.

    Parameters
    ----------
    network : Backbone
    plans : iterable of SlotPlan
        As :meth:`Method.plan` returns them.
    config : FinetuneConfig
    """
    factors = {one.name: one.factor if one.lr(config) > 0 else 0.0 for one in plans}
    names = {id(one): name for name, one in network.module.named_parameters()}
    return {
        layer: max(
            (factors.get(names[id(one)], 0.0) for one in network.tied_parameters(layer).values()),
            default=0.0,
        )
        for layer in network.layers
    }


def _check_layer_lr(network: Backbone, layer_lr: Mapping[str, float]) -> None:
    modules = {name for name, _ in network.module.named_modules() if name}
    parameters = [name for name, _ in network.module.named_parameters()]
    head = network.head_parameters()
    for name in layer_lr:
        if name not in modules:
            raise unknown_name("layer_lr", name, network.layers)
        inside = [one for one in parameters if one.startswith(f"{name}.")]
        # A container with other layers too may be named: the head beside them keeps its own.
        if inside and head >= set(inside):
            raise KShotValueError(f"`layer_lr` names the head, {name!r}; it has its own `head_lr`.")


def _factors(
    network: Backbone,
    named: Mapping[str, nn.Parameter],
    trained: Collection[str],
    layer_lr: Mapping[str, float],
) -> dict[int, float]:
    """Return the multiplier of each parameter's step size, by identity; 0 for those that stay."""
    owner = {
        id(parameter): layer
        for layer in network.layers
        for parameter in network.tied_parameters(layer).values()
    }
    head = network.head_parameters()
    factors: dict[int, float] = {}
    for name, parameter in named.items():
        key = id(parameter)
        if name in head:
            factors[key] = 1.0
        elif name in trained:
            factors[key] = _factor(name, owner.get(key, name), layer_lr)
        else:
            factors.setdefault(key, 0.0)
    return factors


def _factor(name: str, owner: str, layer_lr: Mapping[str, float]) -> float:
    """Return the multiplier of a parameter: its own module's, else its layer's, else 1."""
    for path in (name, owner):
        matching = [one for one in layer_lr if path == one or path.startswith(f"{one}.")]
        if matching:
            return layer_lr[max(matching, key=len)]
    return 1.0

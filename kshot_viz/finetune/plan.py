"""From method, grouping and settings to one slot per trained parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from kshot_viz.errors import unknown_name
from kshot_viz.finetune.config import FinetuneConfig
from kshot_viz.finetune.methods import Method
from kshot_viz.finetune.ties import Ties
from kshot_viz.grouping.grouping import Grouping

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True)
class Slot:
    """A parameter that trains: its step size, and the groups that share its gradient."""

    name: str
    parameter: nn.Parameter
    start: Tensor
    lr: float
    ties: Ties | None


def plan_slots(
    backbone: Backbone, method: Method, grouping: Grouping | None, config: FinetuneConfig
) -> list[Slot]:
    """Freeze what must not move and return a slot for everything that trains.

    Parameters
    ----------
    backbone : Backbone
        A copy with its new head; ``requires_grad`` of its parameters is set here.
    """
    _check_names(backbone, config.layer_lr)
    if grouping is not None:
        grouping.check(backbone)
    moving = method.moves(backbone, grouping, config)
    ties = _ties(backbone, grouping, config)
    rates = _rates(backbone, moving, config)
    slots = []
    for name, parameter in backbone.module.named_parameters():
        lr = rates[name]
        parameter.requires_grad_(lr > 0)
        if lr > 0:
            start = parameter.detach().clone()
            slots.append(Slot(name, parameter, start, lr, ties.get(name)))
    return slots


def _check_names(backbone: Backbone, layer_lr: Mapping[str, float]) -> None:
    modules = {name for name, _ in backbone.module.named_modules() if name}
    for name in layer_lr:
        if name not in modules:
            raise unknown_name("layer_lr", name, backbone.layers)


def _ties(backbone: Backbone, grouping: Grouping | None, config: FinetuneConfig) -> dict[str, Ties]:
    found: dict[str, Ties] = {}
    for layer in grouping or ():
        assert grouping is not None
        for name, parameter in backbone.tied_parameters(layer).items():
            found[name] = Ties(grouping[layer], reduce=config.reduce, device=parameter.device)
    return found


def _rates(backbone: Backbone, moving: set[str], config: FinetuneConfig) -> dict[str, float]:
    owner = {name: layer for layer in backbone.layers for name in backbone.tied_parameters(layer)}
    head = backbone.head_parameters()
    rates = {}
    for name, _ in backbone.module.named_parameters():
        path = owner.get(name, name)
        body = config.lr * _factor(path, config.layer_lr) if name in moving else 0.0
        rates[name] = config.head_lr if name in head else body
    return rates


def _factor(path: str, layer_lr: Mapping[str, float]) -> float:
    matching = [name for name in layer_lr if path == name or path.startswith(f"{name}.")]
    return layer_lr[max(matching, key=len)] if matching else 1.0

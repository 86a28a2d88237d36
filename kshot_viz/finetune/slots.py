"""From method, grouping and settings to one slot per trained parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from kshot_viz.errors import KShotValueError, unknown_name
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
    rates = step_sizes(backbone, method, grouping, config)
    ties = _ties(backbone, grouping, config)
    slots = []
    for name, parameter in backbone.module.named_parameters():
        lr = rates[id(parameter)]
        parameter.requires_grad_(lr > 0)
        if lr > 0:
            start = parameter.detach().clone()
            slots.append(Slot(name, parameter, start, lr, ties.get(id(parameter))))
    return slots


def step_sizes(
    backbone: Backbone, method: Method, grouping: Grouping | None, config: FinetuneConfig
) -> dict[int, float]:
    """Return the step size of each parameter, by identity; 0 for those that stay.

    Raises
    ------
    KShotValueError
        For a grouping made for another network, or a step size for the head by name.
    KShotKeyError
        For an unknown layer name.
    """
    _check_names(backbone, config.layer_lr)
    if grouping is not None:
        grouping.check(backbone)
    return _rates(backbone, method.moves(backbone, grouping, config), config)


def _check_names(backbone: Backbone, layer_lr: Mapping[str, float]) -> None:
    modules = {name for name, _ in backbone.module.named_modules() if name}
    head = backbone.head_parameters()
    for name in layer_lr:
        if name not in modules:
            raise unknown_name("layer_lr", name, backbone.layers)
        if any(parameter.startswith(f"{name}.") for parameter in head):
            raise KShotValueError(f"`layer_lr` names the head, {name!r}; it has its own `head_lr`.")


def _ties(backbone: Backbone, grouping: Grouping | None, config: FinetuneConfig) -> dict[int, Ties]:
    """Return the ties of each parameter, by identity: a weight may be shared under two names."""
    found: dict[int, Ties] = {}
    for layer in grouping or ():
        assert grouping is not None
        for parameter in backbone.tied_parameters(layer).values():
            found[id(parameter)] = Ties(
                grouping[layer], reduce=config.reduce, device=parameter.device
            )
    return found


def _rates(backbone: Backbone, moving: set[str], config: FinetuneConfig) -> dict[int, float]:
    owner = {
        id(parameter): layer
        for layer in backbone.layers
        for parameter in backbone.tied_parameters(layer).values()
    }
    head = backbone.head_parameters()
    rates: dict[int, float] = {}
    for name, parameter in backbone.module.named_parameters(remove_duplicate=False):
        key = id(parameter)
        if name in head:
            rates[key] = config.head_lr
        elif name in moving:
            rates[key] = config.lr * _factor(name, owner.get(key, name), config.layer_lr)
        else:
            rates.setdefault(key, 0.0)
    return rates


def _factor(name: str, owner: str, layer_lr: Mapping[str, float]) -> float:
    """Return the multiplier of a parameter: its own module's, else its layer's, else 1."""
    for path in (name, owner):
        matching = [one for one in layer_lr if path == one or path.startswith(f"{one}.")]
        if matching:
            return layer_lr[max(matching, key=len)]
    return 1.0

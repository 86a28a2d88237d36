"""The frozen twins of convolutions and of the batch norms behind them, put into a network."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from kshot_viz.errors import KShotValueError
from kshot_viz.methods.adafilter.policy import Gates, Halves, pooled
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.modes import evaluating

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TWIN, GATES = "frozen_twin", "gates"


def gated_layers(backbone: Backbone) -> tuple[str, ...]:
    """Return the convolutions of the body in the order in which they run."""
    modules = {name: backbone.module.get_submodule(name) for name in backbone.layers}
    return tuple(name for name, one in modules.items() if isinstance(one, CONVOLUTIONS))


def gates_of(backbone: Backbone) -> Gates | None:
    """Return the gates of a network, or None where it has none."""
    return next((one for one in backbone.module.modules() if isinstance(one, Gates)), None)


def pooled_inputs(network: Backbone, layers: tuple[str, ...], inputs: Tensor) -> list[Tensor]:
    """Return what the gates of each layer read, with the calls of a layer below each other.

    Raises
    ------
    KShotValueError
        If a convolution is given something else than one row an image.
    """
    found: Mapping[str, list[Tensor]] = {name: [] for name in layers}

    def note(name: str, index: int, given: Tensor) -> None:
        if len(given) != len(inputs):
            raise KShotValueError(
                f"method='adafilter' gates each image, but {name!r} is given {len(given)} rows for "
                f"{len(inputs)} images."
            )
        found[name].append(pooled(index, given))

    handles = [
        network.module.get_submodule(name).register_forward_pre_hook(
            lambda module, args, name=name, index=index: note(name, index, args[0])
        )
        for index, name in enumerate(layers)
    ]
    try:
        with torch.no_grad(), evaluating(network.module):
            network.module(inputs.clone())
    finally:
        for handle in handles:
            handle.remove()
    return [torch.cat(found[name]) for name in layers]


def insert(network: Backbone, gates: Gates) -> None:
    """Give the convolutions of a private copy their frozen twins and gates, in place.

    Modules keep their names and parameters, which become those that train. Twins are children of
    what they are twins of, and the gates of the first convolution.
    """
    module = network.module
    for index, name in enumerate(gates.layers):
        conv, norm = module.get_submodule(name), network.layers[name].norm
        gated = Gated(gates, index, norm=norm is not None)
        _add_twin(conv)
        conv.register_forward_hook(gated.after_convolution, with_kwargs=True)
        if norm is not None:
            behind = module.get_submodule(norm)
            _add_twin(behind)
            behind.register_forward_pre_hook(gated.before_norm)
            behind.register_forward_hook(gated.after_norm)
    module.get_submodule(gates.layers[0]).add_module(GATES, gates)
    module.register_forward_pre_hook(gates.forget)
    module.register_forward_hook(gates.forget, always_call=True)


def _add_twin(module: nn.Module) -> None:
    module.add_module(TWIN, copy.deepcopy(module))


class Gated:
    """The hooks of one convolution and of the batch norm behind it."""

    def __init__(self, gates: Gates, layer: int, *, norm: bool) -> None:
        self._gates, self._layer, self._norm = gates, layer, norm

    def after_convolution(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor
    ) -> Tensor:
        """Return each channel from the twin that its gate says."""
        given = args[0] if args else kwargs["input"]
        gates = _aligned(self._gates.choose(self._layer, given), output)
        frozen = module.get_submodule(TWIN)(*args, **kwargs)
        mixed = _mix(gates, output, frozen)
        if self._norm:
            self._gates.halves.append(Halves(mixed, output, frozen, gates))
        return mixed

    def before_norm(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Give the batch norm what the trained filters made: its statistics are of these alone."""
        halves = next(one for one in self._gates.halves if one.mixed is args[0])
        return (halves.trained, *args[1:])

    def after_norm(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        """Return each channel from the batch norm of its twin."""
        halves = next(one for one in self._gates.halves if one.trained is args[0])
        self._gates.halves.remove(halves)
        return _mix(halves.gates, output, module.get_submodule(TWIN)(halves.frozen))


def _aligned(gates: Tensor, like: Tensor) -> Tensor:
    return gates.reshape(*gates.shape, *[1] * (like.ndim - 2))


def _mix(gates: Tensor, trained: Tensor, frozen: Tensor) -> Tensor:
    # A sum, not a choice: the gates have a gradient.
    return gates * trained + (1 - gates) * frozen

"""The blocks of a network in the order in which they run, and what belongs to each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


def block_of(module: nn.Module, layer: str) -> str:
    """Return the name of the block with a layer.

    The nearest of that layer and its ancestors whose parent is a plain ``nn.Sequential`` or
    ``nn.ModuleList``, or the network itself.
    """
    name = layer
    while "." in name and type(_parent(module, name)) not in (nn.Sequential, nn.ModuleList):
        name = name.rpartition(".")[0]
    return name


def block_parameters(network: Backbone) -> dict[str, frozenset[str]]:
    """Return the names of all parameters of the body by block, in the order of execution.

    A block inside another is part of it. A batch norm that is tied to a layer goes with it. Any
    other parameter outside of all blocks goes with the one that was registered before it, or with
    the first.

    Parameters
    ----------
    network : Backbone
        With or without a new head.
    """
    blocks = _outermost(network)
    tied = {
        id(one): blocks[layer]
        for layer in network.layers
        for one in network.tied_parameters(layer).values()
    }
    found: dict[str, set[str]] = {block: set() for block in blocks.values()}
    block, head = next(iter(found)), network.head_parameters()
    for name, parameter in network.module.named_parameters():
        if name in head:
            continue
        inside = (one for one in found if name.startswith(f"{one}."))
        block = tied.get(id(parameter)) or next(inside, block)
        found[block].add(name)
    return {block: frozenset(names) for block, names in found.items()}


def _outermost(network: Backbone) -> dict[str, str]:
    """Return the block of each layer that is inside no other block."""
    nearest = {layer: block_of(network.module, layer) for layer in network.layers}
    names = set(nearest.values())
    return {
        layer: min((one for one in names if f"{block}.".startswith(f"{one}.")), key=len)
        for layer, block in nearest.items()
    }


def _parent(module: nn.Module, name: str) -> nn.Module:
    return module.get_submodule(name.rpartition(".")[0])

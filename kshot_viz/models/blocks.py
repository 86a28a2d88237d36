"""The blocks of a network in the order in which they run, and what belongs to each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


_LISTS = (nn.Sequential, nn.ModuleList)


def block_of(network: Backbone, layer: str) -> str:
    """Return the name of the block with a layer.

    The nearest of that layer and its ancestors whose parent is a plain ``nn.Sequential`` or
    ``nn.ModuleList``, or the body. The body is the network itself, or the module inside that holds
    all layers but the head's: classifiers of transformers hold one network, whose patch embedding,
    stages and pooler are blocks beside each other.
    """
    name, body = layer, _body(network)
    while (parent := name.rpartition(".")[0]) != body and not _is_list(network, parent):
        name = parent
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
    nearest = {layer: block_of(network, layer) for layer in network.layers}
    names = set(nearest.values())
    return {
        layer: min((one for one in names if f"{block}.".startswith(f"{one}.")), key=len)
        for layer, block in nearest.items()
    }


def _body(network: Backbone) -> str:
    """Return the innermost module with all layers that is not inside a list of blocks."""
    body: tuple[str, ...] = ()
    for names in zip(*(layer.split(".")[:-1] for layer in network.layers), strict=False):
        if len(set(names)) > 1 or _is_list(network, ".".join(body)):
            break
        body = (*body, names[0])
    return ".".join(body)


def _is_list(network: Backbone, name: str) -> bool:
    return type(network.module.get_submodule(name)) in _LISTS

"""Fold changes of layers into their parameters: an adapted network is an ordinary one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from kshot_viz.models.backbone import Backbone
from kshot_viz.words.modules.labels2adaptation import LayerChange


def layer_shapes(backbone: Backbone) -> dict[str, tuple[int, int]]:
    """Return channels and inputs of each channel, of every layer that can be changed."""
    return {
        name: (info.width, torch.Size(info.weight_shape[1:]).numel())
        for name, info in backbone.layers.items()
    }


def folded_parameters(backbone: Backbone, changes: Mapping[str, LayerChange]) -> dict[str, Tensor]:
    """Return the parameters that make a network behave as changed: full name -> value.

    Scale and shift go into the batch norm that reads the layer; where there is none, into weight
    and bias of the layer. Gradients pass through.

    Parameters
    ----------
    backbone : Backbone
        Its layers must have a bias; see :func:`with_biases`.
    changes : mapping of str to LayerChange
    """
    found: dict[str, Tensor] = {}
    for layer, change in changes.items():
        info = backbone.layers[layer]
        if change.delta is not None:
            weight = _parameter(backbone.module, layer, "weight")
            found[f"{layer}.weight"] = weight + change.delta.to(weight).reshape(weight.shape)
        if change.scale is not None and change.shift is not None:
            owner = info.norm or layer
            weight = _parameter(backbone.module, owner, "weight")
            bias = _parameter(backbone.module, owner, "bias")
            scale, shift = change.scale.to(weight), change.shift.to(weight)
            found[f"{owner}.weight"] = scale.reshape(-1, *[1] * (weight.ndim - 1)) * weight
            found[f"{owner}.bias"] = scale * bias + shift
    return found


def with_biases(backbone: Backbone) -> Backbone:
    """Return a copy whose layers and batch norms all have scale and bias, to be folded into."""
    copy = backbone.to(next(backbone.module.parameters()).device)
    for name, info in copy.layers.items():
        owner = copy.module.get_submodule(info.norm or name)
        like = copy.module.get_submodule(name).weight
        assert isinstance(like, Tensor)
        if owner._parameters.get("weight") is None:
            owner.weight = nn.Parameter(like.new_ones(info.width))
        if owner._parameters.get("bias") is None:
            owner.bias = nn.Parameter(like.new_zeros(info.width))
    return copy


def fold(backbone: Backbone, changes: Mapping[str, LayerChange]) -> Backbone:
    """Return a copy of a backbone with changes folded in."""
    copy = with_biases(backbone)
    with torch.no_grad():
        for name, value in folded_parameters(copy, changes).items():
            copy.module.get_parameter(name).copy_(value)
    return copy


def _parameter(module: nn.Module, owner: str, name: str) -> Tensor:
    return module.get_parameter(f"{owner}.{name}").detach()

"""Surgical fine-tuning (Lee, Chen, Tajwar, Kumar, Yao, Liang, Finn, ICLR 2023)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from kshot_viz.methods.base import Method
from kshot_viz.methods.hooks import Setup
from kshot_viz.methods.loss import cross_entropy
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.slots import Slot, make_slots
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.blocks import block_parameters
from kshot_viz.models.inputs.support import Support
from kshot_viz.models.logistic import logistic_head
from kshot_viz.models.modes import evaluating


@register_method
@dataclass(frozen=True)
class Surgical(Method):
    """The head and one block train: that with the largest gradient for the size of its weights.

    The block is chosen before the first step by the norm of its gradient on the support over the
    norm of its weights. A new head that starts at zero passes no gradient on, so the gradient is
    that below a logistic regression on the support's features, which is then put back.
    """

    name = "surgical"
    label = "one block"
    sees_total = False

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Choose the block, and return its slots and those of the head."""
        plans = self.plan(network, setup.layers, setup.config)
        body = {one.name for one in plans} - network.head_parameters()
        ratios = relative_gradients(network, setup.support, body)
        # Where settings freeze the whole body, the head alone trains.
        chosen = max(ratios, key=ratios.__getitem__, default="")
        others = body - block_parameters(network).get(chosen, frozenset())
        kept = [one for one in plans if one.name not in others]
        return make_slots(network, kept, setup.grouping, setup.config)


def relative_gradients(
    network: Backbone, support: Support, names: Collection[str]
) -> dict[str, float]:
    """Return the norm of each block's gradient on a support over the norm of its weights.

    Parameters
    ----------
    network : Backbone
        A private copy with its new head, which is as before afterwards.
    support : Support
    names : collection of str
        The parameters that count; a block without any is left out.
    """
    blocks = {block: own & set(names) for block, own in block_parameters(network).items()}
    named = dict(network.module.named_parameters())
    parameters = {
        name: named[name].requires_grad_() for own in blocks.values() for name in sorted(own)
    }
    if not parameters:
        return {}
    with logistic_head(network, support), evaluating(network.module):
        loss = cross_entropy(network.module(support.inputs.clone()), support.targets)
        found = torch.autograd.grad(loss, [*parameters.values()], materialize_grads=True)
    gradients = dict(zip(parameters, found, strict=True))
    return {
        block: _norm([gradients[name] for name in sorted(own)])
        / max(_norm([named[name].detach() for name in sorted(own)]), 1e-12)
        for block, own in blocks.items()
        if own
    }


def _norm(tensors: list[Tensor]) -> float:
    return float(torch.stack([one.double().norm() for one in tensors]).norm())

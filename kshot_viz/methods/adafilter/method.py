"""AdaFilter (Guo, Li, Wang, Rosing, AAAI 2020)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from kshot_viz.checks import check, number, whole
from kshot_viz.errors import unknown_name
from kshot_viz.methods.adafilter.policy import (
    Gates,
    LearnedGates,
    StaticGates,
    gates_like,
    unlike,
)
from kshot_viz.methods.adafilter.twins import GATES, gated_layers, gates_of, insert, pooled_inputs
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.hooks import Batch, Setup
from kshot_viz.methods.options import check_share
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.slots import Slot
from kshot_viz.models.backbone import Backbone
from kshot_viz.seeds import child_seed, torch_rng

KINDS = ("learned", "static", "all_frozen", "all_trained")


@register_method
@dataclass(frozen=True)
class AdaFilter(Method):
    """For every image, gates take each channel from a frozen filter or from one that trains.

    Each convolution, and the batch norm behind it, exists twice: as it was pretrained, and as it
    trains. One recurrent cell goes through the layers and reads the pooled input of each; where
    its output for a channel is above zero, the channel is that of the trained twin. The gradient
    of that choice is the sigmoid's. Other parameters of the body train as in plain fine-tuning.

    With ``train_mode`` frozen batch norms follow the batches as those of ``"head_only"`` do; their
    parameters never change.

    Twins start equal, and a gate between equal twins has no gradient: gates first move in the third
    step, after the head and the filters. Inputs are standardised by the support, since else the
    gates are nearly the same for all images, and the gradients of gates have unit size, since else
    they hardly move.

    Attributes
    ----------
    gate : {"learned", "static", "all_frozen", "all_trained"}
        Static gates are drawn once and are the same for all images. All frozen trains the head
        alone; all trained is plain fine-tuning.
    rate : float
        The share of each layer's channels that static gates take from trained filters.
    gate_lr : float
        Step size of the gates, whose gradients are of unit size; 0 leaves them as drawn.
    diversity : float
        How much is taken off the loss for gates that differ between the images of the support;
        4 times the variance of each gate's share over the images, summed over all gates.
    gate_seed : int
        Of static gates, and of where learned ones start.
    """

    name = "adafilter"
    label = "adafilter"
    sees_total = False
    gate: str = "learned"
    rate: float = 0.5
    gate_lr: float = 0.01
    diversity: float = 0.0
    gate_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gate not in KINDS:
            raise unknown_name("gate", self.gate, KINDS)
        check_share("rate", self.rate)
        check("gate_lr", self.gate_lr, number(0))
        check("diversity", self.diversity, number(0))
        check("gate_seed", self.gate_seed, whole(0))

    def applies(self, backbone: Backbone) -> str:
        """Return that there is nothing to gate, or nothing left."""
        if gates_of(backbone) is not None:
            return "it has gates already"
        return "" if gated_layers(backbone) else "it has no convolution whose channels are neurons"

    def trained(
        self, network: Backbone, layers: Collection[str], config: FinetuneConfig
    ) -> Collection[str]:
        """Return all parameters, or none of the body where all gates are frozen."""
        return () if self.gate == "all_frozen" else super().trained(network, layers, config)

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Put the twins and gates in, and return what trains of them."""
        slots = super().attach(network, setup)
        gates = self._gates(network, setup)
        insert(network, gates.to(setup.support.inputs.device))
        if not self.gate_lr:
            return slots
        prefix = f"{gates.layers[0]}.{GATES}"
        own = gates.named_parameters(prefix)
        return [*slots, *(Slot(name, one, self.gate_lr) for name, one in own)]

    def loss(self, network: Backbone, batch: Batch) -> Tensor:
        """Return the cross-entropy, less what gates that differ between images take off."""
        gates = gates_of(network)
        if not self.diversity or gates is None:
            return super().loss(network, batch)
        with gates.recorded() as seen:
            plain = super().loss(network, batch)
        return plain - self.diversity * unlike(seen)

    @classmethod
    def rebuild(cls, network: Backbone, state: Mapping[str, Tensor]) -> None:
        """Put twins in, and gates of the saved shapes."""
        layers = gated_layers(network)
        prefix = f"{layers[0]}.{GATES}."
        held = {name.removeprefix(prefix): one for name, one in state.items() if prefix in name}
        gates = gates_like(held, layers, [network.layers[one].width for one in layers])
        insert(network, gates.to(next(network.module.parameters()).device))

    def _gates(self, network: Backbone, setup: Setup) -> Gates:
        layers = gated_layers(network)
        widths = [network.layers[name].width for name in layers]
        like = pooled_inputs(network, layers, setup.support.inputs)
        if self.gate != "learned":
            rate = {"all_frozen": 0.0, "all_trained": 1.0}.get(self.gate, self.rate)
            return StaticGates(
                layers,
                [
                    _drawn(rate, width, self.gate_seed, name).to(like[0])
                    for name, width in zip(layers, widths, strict=True)
                ],
            )
        with torch.random.fork_rng():
            torch.manual_seed(child_seed(self.gate_seed, "gates"))
            return LearnedGates(layers, like, widths).to(like[0].dtype)


def _drawn(rate: float, width: int, seed: int, layer: str) -> Tensor:
    """Return gates of which a share is 1, as near to a rate as whole channels allow."""
    order = torch.randperm(width, generator=torch_rng(seed, "gates", layer))
    return (order < round(rate * width)).float()

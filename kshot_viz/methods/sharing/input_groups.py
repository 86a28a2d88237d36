"""Gradients averaged over groups of input channels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from torch import Tensor

from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.labels import Labels
from kshot_viz.methods.grouped import Sharing
from kshot_viz.methods.hooks import Setup
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.sharing.ties import Share, Ties
from kshot_viz.methods.slots import Slot
from kshot_viz.models.backbone import Backbone


@register_method
@dataclass(frozen=True)
class InputGroups(Sharing):
    """A neuron's weights to input channels that activate alike share one averaged gradient.

    The groups of a layer's input channels are those of the neurons of the layer before it, where it
    has as many channels as that has neurons; the head and other layers train freely.

    Attributes
    ----------
    outputs : bool
        Whether the neurons of a group share their gradient besides, as in ``grouped``.
    """

    name = "input_groups"
    label = "input groups"
    sees_total = False
    outputs: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.outputs, bool):
            raise KShotValueError(f"`outputs` must be True or False; not {self.outputs!r}.")

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Return what trains, with the groups of the layer before for each weight."""
        groups = setup.grouping or Grouping({})
        inputs = {
            f"{layer}.weight": groups[before]
            for layer, before in layers_before(network).items()
            if before in groups
        }
        return [
            self._tied(slot, inputs.get(slot.name), setup.config.reduce)
            for slot in super().attach(network, setup)
        ]

    def _tied(self, slot: Slot, channels: Labels | None, reduce: str) -> Slot:
        own = slot if self.outputs else replace(slot, labels=None)
        if channels is None:
            return own
        device = slot.parameter.device
        outputs = None if own.labels is None else Ties(own.labels, reduce=reduce, device=device)
        return replace(own, share=InputTies(Ties(channels, reduce=reduce, device=device), outputs))


class InputTies:
    """Shares a weight's gradient inside groups of its second axis, and perhaps of its first.

    Parameters
    ----------
    inputs : Ties
        Of the input channels.
    outputs : Ties or None
        Of the neurons.
    """

    def __init__(self, inputs: Ties, outputs: Share | None = None) -> None:
        self._inputs, self._outputs = inputs, outputs

    def __call__(self, gradient: Tensor) -> Tensor:
        """Return the shared gradient."""
        rows = gradient if self._outputs is None else self._outputs(gradient)
        return self._inputs(rows.transpose(0, 1)).transpose(0, 1).contiguous()

    def pull(self, difference: Tensor) -> Tensor:
        """Return the means of the pull over the same groups."""
        rows = difference if self._outputs is None else self._outputs.pull(difference)
        return self._inputs.pull(rows.transpose(0, 1)).transpose(0, 1).contiguous()


def layers_before(network: Backbone) -> dict[str, str]:
    """Return the layer whose neurons are each layer's input channels, where that is known.

    It is the one that ran before it in the probing pass, if it has as many neurons as the layer's
    weight has channels.
    """
    return {
        layer.name: before.name
        for before, layer in pairwise(network.layers.values())
        if layer.weight_shape[1] == before.width and _reads_all(network, layer.name)
    }


def _reads_all(network: Backbone, layer: str) -> bool:
    """Return whether each neuron reads every input channel."""
    return getattr(network.module.get_submodule(layer), "groups", 1) == 1

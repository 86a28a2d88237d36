"""Find the layers whose neurons can be grouped, and the batch norm tied to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from kshot_viz.models.modes import BATCH_NORM, GROUPABLE, Recorder
from kshot_viz.text import html_table

_SHOWN = 40

_NO_NEURON_AXIS: tuple[tuple[type[nn.Module] | tuple[type[nn.Module], ...], str], ...] = (
    (
        (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
        "transposed convolution: the first axis of its weight counts inputs, not neurons",
    ),
    (nn.MultiheadAttention, "its three input projections are one loose parameter, not layers"),
    ((nn.RNNBase, nn.RNNCellBase), "recurrent: each row of its weight is a gate, not a neuron"),
    ((nn.Embedding, nn.EmbeddingBag), "embedding: a row of its weight is a token, not a neuron"),
    (nn.Bilinear, "bilinear: its weight has two input axes"),
)


@dataclass(frozen=True)
class LayerInfo:
    """One layer whose neurons can be grouped.

    Attributes
    ----------
    name : str
        As in ``module.named_modules()``.
    kind : str
        Class of the module, for example "Conv2d".
    width : int
        Number of neurons, the first axis of the weight.
    norm : str or None
        The batch norm whose input is this layer's output.
    weight_shape : tuple of int
        (neurons, inputs, *kernel).
    output_ndim : int
        Dimensions of the output, batch included.
    """

    name: str
    kind: str
    width: int
    norm: str | None
    weight_shape: tuple[int, ...]
    output_ndim: int


def sort_layers(
    module: nn.Module, recorder: Recorder
) -> tuple[dict[str, LayerInfo], dict[str, str]]:
    """Return the groupable layers in order of execution, and the reasons against the others."""
    modules = dict(module.named_modules())
    refused = {name: reason for name, m in modules.items() if name and (reason := _refusal(m))}
    groupable = [name for name, m in modules.items() if name and isinstance(m, GROUPABLE)]
    owners: dict[int, str] = {}
    called = [name for name in recorder.order if name in groupable]
    for name in [*called, *(name for name in groupable if name not in called)]:
        reason = _flaw(name, modules, recorder, owners)
        if reason:
            refused[name] = reason
    ties = _ties(modules, recorder)
    kept = [name for name in called if name not in refused]
    return {name: _info(name, modules[name], recorder, ties.get(name)) for name in kept}, refused


def layer_table(layers: Mapping[str, LayerInfo]) -> str:
    """Return an HTML table of the first layers, for notebooks."""
    shown = list(layers.values())[:_SHOWN]
    rows = [
        (info.name, info.kind, info.width, " x ".join(map(str, info.weight_shape)), info.norm or "")
        for info in shown
    ]
    more = len(layers) - len(shown)
    note = f"<p>and {more} more layers</p>" if more > 0 else ""
    return html_table(("layer", "kind", "neurons", "weight", "norm"), rows) + note


def _refusal(module: nn.Module) -> str | None:
    return next((why for kinds, why in _NO_NEURON_AXIS if isinstance(module, kinds)), None)


def _flaw(
    name: str, modules: dict[str, nn.Module], recorder: Recorder, owners: dict[int, str]
) -> str | None:
    """Return why a convolution or linear layer cannot be grouped; None when it can."""
    weight = modules[name]._parameters.get("weight")
    if name not in recorder.order:
        return _why_not_called(name, modules)
    if weight is None:
        return "its weight is computed from other parameters"
    if not weight.dtype.is_floating_point:
        return f"its weight is not of a floating point type: {weight.dtype}"
    owner = owners.setdefault(id(weight), name)
    return None if owner == name else f"it shares its weight with {owner!r}"


def _why_not_called(name: str, modules: dict[str, nn.Module]) -> str:
    parent = modules.get(name.rpartition(".")[0])
    if isinstance(parent, nn.MultiheadAttention):
        return "MultiheadAttention uses its weight without calling it, so hooks never fire"
    return "it was not called in the probing pass"


def _ties(modules: dict[str, nn.Module], recorder: Recorder) -> dict[str, str]:
    """Return layer -> batch norm where each saw only the other; anything else stays untied."""
    pairs = [
        (next(iter(origins)), norm)
        for norm, origins in recorder.fed.items()
        if len(origins) == 1 and isinstance(modules[norm], BATCH_NORM)
    ]
    fans = [layer for layer, _ in pairs]
    return {
        layer: norm
        for layer, norm in pairs
        if layer is not None
        and fans.count(layer) == 1
        and recorder.axis_is_neurons(layer)
        and modules[norm].num_features == modules[layer].weight.shape[0]  # type: ignore[index]
    }


def _info(name: str, layer: nn.Module, recorder: Recorder, norm: str | None) -> LayerInfo:
    shape = tuple(layer._parameters["weight"].shape)  # type: ignore[union-attr]
    return LayerInfo(name, type(layer).__name__, shape[0], norm, shape, recorder.order[name])

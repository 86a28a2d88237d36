"""Which layers have neurons to group, and what belongs to them: one probing forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kshot_viz.errors import KShotValueError
from kshot_viz.models.modes import BATCH_NORM, GROUPABLE, Recorder, evaluating, recording
from kshot_viz.text import html_table
from kshot_viz.threads import one_thread

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


__all__ = ["LayerInfo", "NetworkMap", "forward", "probe"]

_FORWARD_ERRORS = (RuntimeError, AssertionError, ValueError, IndexError, TypeError)


@dataclass(frozen=True)
class NetworkMap:
    """Result of one probing pass.

    Attributes
    ----------
    layers : dict of str to LayerInfo
        Groupable layers in order of execution.
    not_groupable : dict of str to str
        Other layers with weights, and why their neurons cannot be grouped.
    inputs : dict of str to tuple of int
        Shape of the first tensor given to every module that was called, in order of the calls.
    output_shape : tuple of int
        Shape of what the network returned.
    last : str or None
        The groupable layer that was called last.
    returns_last : bool
        The network returned what ``last`` computed, up to its shape and a log-softmax.
    returns_probabilities : bool
        Every row of the output is positive and sums to one, whatever the input.
    """

    layers: dict[str, LayerInfo]
    not_groupable: dict[str, str]
    inputs: dict[str, tuple[int, ...]]
    output_shape: tuple[int, ...]
    last: str | None = None
    returns_last: bool = False
    returns_probabilities: bool = False


@one_thread()
def probe(module: nn.Module, example: Tensor) -> NetworkMap:
    """Run ``module`` once on ``example`` and describe its layers.

    Parameters
    ----------
    module : nn.Module
        Runs in eval mode without gradients; hooks and modes are restored whatever happens.
    example : Tensor
        A batch as the network takes it, after any preprocess; first axis = examples.

    Returns
    -------
    NetworkMap

    Raises
    ------
    KShotValueError
        When the forward pass fails, or returns anything but one tensor.
    """
    recorder = Recorder(module)
    with evaluating(module):
        with recording(module, recorder):
            output = forward(module, example)
        probabilities = _is_probability(output) and _is_probability(_at_half(module, example))
    layers, refused = sort_layers(module, recorder)
    return NetworkMap(
        layers=layers,
        not_groupable=refused,
        inputs=recorder.inputs,
        output_shape=tuple(output.shape),
        last=recorder.last,
        returns_last=_same_up_to_shift(recorder.last_output, output),
        returns_probabilities=probabilities,
    )


@one_thread()
def forward(module: nn.Module, batch: Tensor) -> Tensor:
    """Run ``module`` without gradients; failures and odd outputs become :class:`KShotValueError`.

    Parameters
    ----------
    module : nn.Module
        Used as it is: set its mode before.
    batch : Tensor
        First axis = examples.

    Returns
    -------
    Tensor
        What the network returned, the same number of examples.
    """
    try:
        # Outputs made in inference mode carry no version counter, which the tie test needs.
        with torch.inference_mode(False), torch.no_grad():
            # A copy, since the network may write to its input.
            output = module(batch.clone())
    except _FORWARD_ERRORS as error:
        raise KShotValueError(
            f"The network cannot take an input of shape {tuple(batch.shape)}: {_first_line(error)}"
        ) from error
    if not isinstance(output, Tensor) or output.ndim < 2 or len(output) != len(batch):
        raise KShotValueError(
            "The network must return one tensor (N, features, ...) for N examples; "
            f"for an input of shape {tuple(batch.shape)} it returned {_describe(output)}."
        )
    return output


def _same_up_to_shift(last: Tensor | None, output: Tensor) -> bool:
    if last is None or last.numel() != output.numel():
        return False
    shift = output.flatten(1) - last.flatten(1)
    spread = (shift - shift[:, :1]).abs().max() if shift.shape[1] > 1 else shift.abs().max()
    return bool(spread <= 1e-4 * last.abs().max().clamp_min(1.0))


def _is_probability(output: Tensor) -> bool:
    if output.ndim != 2 or output.shape[1] < 2 or not output.is_floating_point():
        return False
    if bool((output < 0).any()):
        return False
    # Close, since rectified logits may sum to nearly one by chance: ten of a fresh network come
    # within 1e-3 once in 800 networks. Half precision rounds every term by more than that.
    slack = max(1e-5, 4 * torch.finfo(output.dtype).eps)
    return bool((output.double().sum(dim=1) - 1).abs().max() < slack)


def _at_half(module: nn.Module, example: Tensor) -> Tensor:
    """Run on other inputs: rows of one batch may be too alike to show whether sums vary."""
    return forward(module, (example / 2).to(example.dtype))


def _describe(output: object) -> str:
    if isinstance(output, Tensor):
        return f"one of shape {tuple(output.shape)}"
    return f"a {type(output).__name__}; wrap it in a module that returns the tensor"


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"

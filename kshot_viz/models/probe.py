"""Probe a network with one forward pass: layers with neurons to group, and tied batch norms.

A *neuron* is one output channel of a convolution or one output unit of a linear layer: a row of
the weight. The batch norm that receives exactly what a layer returned scales the same neurons, so
it is tied to that layer. What a module's code says is not trusted; what the pass shows is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kshot_viz.errors import KShotValueError
from kshot_viz.models.layers import LayerInfo, sort_layers
from kshot_viz.models.modes import Recorder, evaluating, recording

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

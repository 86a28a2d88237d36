"""The linear maps of a network, and what goes into each and what gradient comes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.models.modes import evaluating
from kshot_viz.seeds import numpy_rng

# Inputs of a map, the sides of its largest matrices: 32 MB each.
AT_MOST = 2048
Signals = tuple[Tensor, Tensor]


def linear_maps(
    module: nn.Module, layers: Sequence[str] | None
) -> tuple[list[str], dict[str, str]]:
    """Return the names of the linear maps of a network, and why others are left out.

    Parameters
    ----------
    module : nn.Module
    layers : sequence of str, optional
        Those wanted; all by default.

    Raises
    ------
    KShotKeyError
        For a name of no convolution or linear layer.
    KShotValueError
        For a wanted one that is no plain linear map, and where none is left.
    """
    kinds = (nn.Linear, nn.modules.conv._ConvNd)
    known = {name: one for name, one in module.named_modules() if isinstance(one, kinds)}
    left_out = {name: why for name, one in known.items() if (why := _refusal(one))}
    for name in layers or ():
        if name not in known:
            raise unknown_name("layers", name, known)
        if name in left_out:
            raise KShotValueError(f"Layer {name!r} cannot be measured: {left_out[name]}.")
    wanted = known if layers is None else dict.fromkeys(layers)
    kept = [name for name in wanted if name not in left_out]
    if not kept:
        raise KShotValueError(f"No linear map is left to measure; left out: {left_out or 'none'}.")
    return kept, left_out


def map_weight(layer: nn.Module) -> NDArray[np.float64]:
    """Return W of h_b = W h_a, shape (outputs, inputs); a convolution's inputs are patches."""
    weight: Tensor = layer.weight  # type: ignore[assignment]
    return weight.detach().flatten(1).double().cpu().numpy()


def batch_signals(
    module: nn.Module, names: Sequence[str], inputs: Tensor, targets: Tensor
) -> dict[str, Signals]:
    """Return each map's inputs and the gradients at its outputs, for every sample by itself.

    Parameters
    ----------
    module : nn.Module
        Runs in eval mode. Whether its parameters require gradients is of no account.
    names : sequence of str
    inputs : Tensor, shape (N, ...)
        Prepared.
    targets : Tensor of int64, shape (N,)

    Returns
    -------
    dict of str to (Tensor, Tensor)
        Shapes (N, positions, inputs) and (N, positions, outputs), of the layers that were called;
        the loss is the cross-entropy of each image.
    """
    calls: dict[str, list[_Call]] = {}
    with torch.inference_mode(False), torch.enable_grad(), evaluating(module):
        # Gradients go back to the images, so that they pass frozen layers too.
        images = inputs.clone().requires_grad_()
        with _listening(module, names, calls):
            # A copy, since the network may write to its input.
            logits = module(images.clone()).flatten(1)
        loss = F.cross_entropy(logits, targets, reduction="sum")
        torch.autograd.grad(loss, images, allow_unused=True)
    signals = {}
    for name, made in calls.items():
        rows = [_in_rows(module.get_submodule(name), call) for call in made]
        signals[name] = tuple(torch.cat(part, dim=1) for part in zip(*rows, strict=True))
    return signals  # type: ignore[return-value]


def some_positions(signals: Signals, most: int, seed: int, name: str) -> Signals:
    """Keep some positions of each image, the same in every batch."""
    total = signals[0].shape[1]
    if total <= most:
        return signals
    chosen = np.sort(numpy_rng(seed, "positions", name).permutation(total)[:most])
    rows = torch.from_numpy(chosen).to(signals[0].device)
    return signals[0][:, rows], signals[1][:, rows]


@dataclass
class _Call:
    """Input of one call of a layer, and the gradient at its output once that is known."""

    given: Tensor
    gradient: Tensor

    def receive(self, gradient: Tensor) -> None:
        self.gradient = gradient.detach()


@contextmanager
def _listening(
    module: nn.Module, names: Sequence[str], calls: dict[str, list[_Call]]
) -> Iterator[None]:
    with ExitStack() as stack:
        for name in names:
            hook = partial(_listen, calls, name)
            stack.callback(module.get_submodule(name).register_forward_hook(hook).remove)
        yield


def _listen(
    calls: dict[str, list[_Call]], name: str, layer: nn.Module, given: Any, output: Tensor
) -> None:
    """Note the input, and ask the output for its gradient.

    The output stays the same tensor, which methods may look for; asked now, the gradient is that
    before whatever works in place on it.
    """
    call = _Call(given[0].detach().clone(), torch.zeros_like(output))
    calls.setdefault(name, []).append(call)
    if not output.requires_grad:
        raise KShotValueError(f"Layer {name!r} runs without gradients; leave it out of `layers`.")
    output.register_hook(call.receive)


def _in_rows(layer: nn.Module, call: _Call) -> Signals:
    """Return inputs and gradients of one call, (N, positions, features)."""
    given, back = call.given, call.gradient
    n = len(given)
    if isinstance(layer, nn.Conv2d):
        options: Mapping[str, Any] = {
            "dilation": layer.dilation,
            "padding": layer.padding,
            "stride": layer.stride,
        }
        patches = F.unfold(given, layer.kernel_size, **options)  # type: ignore[arg-type]
        return patches.transpose(1, 2), back.flatten(2).transpose(1, 2)
    return given.reshape(n, -1, given.shape[-1]), back.reshape(n, -1, back.shape[-1])


def _refusal(layer: nn.Module) -> str:
    if not isinstance(layer, (nn.Linear, nn.Conv2d)):
        return "only linear layers and two-dimensional convolutions are measured"
    inputs = layer.weight[0].numel()
    if inputs > AT_MOST:
        return f"it has {inputs:,} inputs, more than {AT_MOST:,}"
    if isinstance(layer, nn.Conv2d):
        if layer.groups > 1:
            return "it is a grouped convolution, which is several maps"
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            return "its padding is given by name"
    return ""

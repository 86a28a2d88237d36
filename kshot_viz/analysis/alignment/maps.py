"""The linear maps of a network, and what goes into each and what gradient comes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from kshot_viz.analysis.alignment.rows import by_image, fitting, is_plain
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
            raise cannot_measure(name, left_out[name])
    wanted = known if layers is None else dict.fromkeys(layers)
    kept = [name for name in wanted if name not in left_out]
    if not kept:
        raise KShotValueError(f"No linear map is left to measure; left out: {left_out or 'none'}.")
    return kept, left_out


def cannot_measure(name: str, why: str) -> KShotValueError:
    """Return the error for a wanted layer that cannot be measured."""
    return KShotValueError(
        f"Layer {name!r} cannot be measured: {why}. Without `layers` all that can be are."
    )


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
        the loss is the cross-entropy of each image. Layers that run without gradients, and those
        whose rows cannot be matched to images, are missing.
    """
    return measured_batch(module, names, inputs, targets)[0]


def measured_batch(
    module: nn.Module, names: Sequence[str], inputs: Tensor, targets: Tensor
) -> tuple[dict[str, Signals], dict[str, str]]:
    """Return what :func:`batch_signals` does, and why layers that were called are missing in it."""
    calls: Calls = {}
    with torch.inference_mode(False), torch.enable_grad(), evaluating(module):
        # Gradients go back to the images, so that they pass frozen layers too.
        images = inputs.clone().requires_grad_()
        with _listening(module, names, calls):
            # A copy, since the network may write to its input.
            logits = module(images.clone()).flatten(1)
        loss = F.cross_entropy(logits, targets, reduction="sum")
        if loss.requires_grad:
            torch.autograd.grad(loss, images, allow_unused=True)
    others = _changed_first(module, names, inputs, calls)
    signals: dict[str, Signals] = {}
    left_out: dict[str, str] = {}
    for name, made in calls.items():
        layer = module.get_submodule(name)
        pairs = zip_longest(made, others.get(name, [])[: len(made)])
        found = [_in_rows(layer, one, other, len(inputs)) for one, other in pairs]
        rows = [one for one in found if not isinstance(one, str)]
        if len(rows) < len(found):
            left_out[name] = next(one for one in found if isinstance(one, str))
            continue
        given, back = zip(*rows, strict=True)
        signals[name] = torch.cat(given, dim=1), torch.cat(back, dim=1)
    return signals, left_out


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
    """Input of one call of a layer, and the gradient at its output; None where there is none."""

    given: Tensor
    gradient: Tensor | None

    def receive(self, gradient: Tensor) -> None:
        self.gradient = gradient.detach()

    def leading(self, layer: nn.Module) -> tuple[int, ...]:
        """Return the axes of rows: all but those of one input of the layer."""
        return tuple(self.given.shape[: -3 if isinstance(layer, nn.Conv2d) else -1])


Calls = dict[str, list[_Call]]


@contextmanager
def _listening(module: nn.Module, names: Sequence[str], calls: Calls) -> Iterator[None]:
    with ExitStack() as stack:
        for name in names:
            hook = partial(_listen, calls, name)
            stack.callback(module.get_submodule(name).register_forward_hook(hook).remove)
        yield


def _listen(calls: Calls, name: str, layer: nn.Module, given: Any, output: Tensor) -> None:
    """Note the input, and ask the output for its gradient.

    The output stays the same tensor, which methods may look for; asked now, the gradient is that
    before whatever works in place on it.
    """
    call = _Call(given[0].detach().clone(), None)
    calls.setdefault(name, []).append(call)
    if output.requires_grad:
        call.gradient = torch.zeros_like(output)
        output.register_hook(call.receive)


def _changed_first(module: nn.Module, names: Sequence[str], inputs: Tensor, calls: Calls) -> Calls:
    """Return the calls where the first image is another one; none where no layer asks for that.

    A layer's rows may be of images or of tokens by their number alone; whose they are shows in
    what changes with an image.
    """
    plain = all(
        is_plain(one.leading(module.get_submodule(name)), len(inputs))
        for name, made in calls.items()
        for one in made
    )
    found: Calls = {}
    if not plain:
        images = inputs.detach().clone()
        images[0] = 1 - images[0]
        with torch.no_grad(), evaluating(module), _listening(module, names, found):
            module(images)
    return found


def _in_rows(layer: nn.Module, call: _Call, other: _Call | None, n: int) -> Signals | str:
    """Return inputs and gradients of one call, (N, positions, features), or why there are none.

    ``other`` is the same call where the first image is another one, if there was one.
    """
    if call.gradient is None:
        return "it runs without gradients"
    given, back, leading = call.given, call.gradient, call.leading(layer)
    turns = 1 if is_plain(leading, n) else None
    if turns is None and other is not None:
        turns = fitting(given, other.given, leading, n)
    if turns is None:
        shape = "x".join(map(str, given.shape))
        return f"the rows of its input, {shape}, cannot be matched to images"
    if isinstance(layer, nn.Conv2d):
        options: Mapping[str, Any] = {
            "dilation": layer.dilation,
            "padding": layer.padding,
            "stride": layer.stride,
        }
        patches = F.unfold(given, layer.kernel_size, **options)  # type: ignore[arg-type]
        given, back = patches.transpose(1, 2), back.flatten(2).transpose(1, 2)
    return by_image(given, n, turns), by_image(back, n, turns)


def _refusal(layer: nn.Module) -> str:
    if not isinstance(layer, (nn.Linear, nn.Conv2d)):
        return "only linear layers and two-dimensional convolutions are measured"
    inputs = layer.weight[0].numel()
    if inputs > AT_MOST:
        return f"it has {inputs:,} inputs, more than {AT_MOST:,}"
    if isinstance(layer, nn.Conv2d):
        if layer.groups > 1:
            return "it is a grouped convolution, which is several maps"
        if layer.padding_mode != "zeros":
            return f"it pads with other values than zeros (padding_mode={layer.padding_mode!r})"
        if isinstance(layer.padding, str):
            return f"its padding is given by name (padding={layer.padding!r})"
    return ""

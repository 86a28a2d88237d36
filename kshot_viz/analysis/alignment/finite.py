"""Where a network stops being finite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from kshot_viz.errors import KShotValueError
from kshot_viz.models.modes import evaluating


def not_finite(module: nn.Module, inputs: Tensor) -> KShotValueError | None:
    """Return an error that names the first layer whose weights or outputs are not finite.

    Parameters
    ----------
    module : nn.Module
    inputs : Tensor, shape (N, ...)
        Prepared.

    Returns
    -------
    KShotValueError or None
        None where all weights and outputs are finite.
    """
    if not _finite(inputs):
        return KShotValueError("The prepared images have values that are NaN or infinite.")
    found: list[tuple[str, str]] = []
    with ExitStack() as stack, torch.no_grad(), evaluating(module):
        for name, one in module.named_modules():
            before, after = partial(_weights, found, name), partial(_outputs, found, name)
            stack.callback(one.register_forward_pre_hook(before).remove)
            stack.callback(one.register_forward_hook(after).remove)
        module(inputs.clone())
    if not found:
        return None
    name, what = found[0]
    start = f"Layer {name!r} has {what}" if name else f"The network itself has {what}"
    if what == "weights":
        return KShotValueError(
            f"{start} that are NaN or infinite, as after a run that diverged; tune it with a "
            f"smaller step size."
        )
    return KShotValueError(
        f"{start} that are NaN or infinite, though its weights and all outputs before it are "
        f"finite: look at what goes into it, and at the statistics of normalisation layers."
    )


def check_signals(
    module: nn.Module, inputs: Tensor, signals: Mapping[str, tuple[Tensor, ...]]
) -> None:
    """Raise where inputs of layers, or gradients at their outputs, are not finite.

    Raises
    ------
    KShotValueError
        Naming the first layer that is to blame.
    """
    bad = [name for name, pair in signals.items() if not all(map(_finite, pair))]
    error = not_finite(module, inputs) if bad or not signals else None
    if error is None and bad:
        error = KShotValueError(
            f"The gradient at the outputs of layer {bad[-1]!r} is NaN or infinite, though the "
            f"outputs of all layers are finite."
        )
    if error is not None:
        raise error


def _weights(found: list[tuple[str, str]], name: str, layer: nn.Module, _: Any) -> None:
    if not all(map(_finite, layer.parameters(recurse=False))):
        found.append((name, "weights"))


def _outputs(found: list[tuple[str, str]], name: str, _: nn.Module, __: Any, output: Any) -> None:
    if not all(map(_finite, _tensors(output))):
        found.append((name, "outputs"))


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (tuple, list)):
        for one in output:
            yield from _tensors(one)


def _finite(values: Tensor) -> bool:
    return bool(torch.isfinite(values).all())

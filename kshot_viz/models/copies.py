"""Copy a caller's network, and compute the fingerprint of its weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.parameter import is_lazy

from kshot_viz.errors import KShotValueError
from kshot_viz.records import content_digest


def private_copy(module: nn.Module) -> nn.Module:
    """Return a deep copy in eval mode without gradients; wrappers around it are taken off.

    Raises
    ------
    KShotValueError
        For anything but an ``nn.Module`` that can be copied and has all its parameters.
    """
    if not isinstance(module, nn.Module) or isinstance(module, torch.jit.ScriptModule):
        raise KShotValueError(
            f"`module` must be a torch.nn.Module that is not scripted; not {type(module).__name__}."
        )
    if any(is_lazy(parameter) for parameter in module.parameters()):
        raise KShotValueError("`module` has lazy parameters without a shape; call it once first.")
    try:
        private = copy.deepcopy(_unwrapped(module))
    except (RuntimeError, TypeError) as error:
        raise KShotValueError(f"`module` cannot be copied: {error}") from error
    private.zero_grad(set_to_none=True)
    return private.eval()


def fingerprint(module: nn.Module) -> str:
    """Return the SHA-256 of names, types, shapes and bytes of all parameters and buffers."""
    named = [*module.named_parameters(), *module.named_buffers()]
    ordered = sorted(named, key=lambda pair: pair[0])
    return content_digest(part for name, t in ordered for part in (f"{name}|", *tensor_content(t)))


def tensor_content(tensor: Tensor) -> tuple[str, bytes]:
    """Return a tensor's shape and type as text, and its bytes, for a digest."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    head = f"{tuple(tensor.shape)}|{tensor.dtype}|"
    return head, flat.view(torch.uint8).numpy().tobytes()


def _unwrapped(module: nn.Module) -> nn.Module:
    """Take off ``torch.compile`` and data parallel wrappers, which hide the modules' names."""
    if isinstance(module, (nn.DataParallel, DistributedDataParallel)):
        return _unwrapped(module.get_submodule("module"))
    return _unwrapped(module.get_submodule("_orig_mod")) if hasattr(module, "_orig_mod") else module

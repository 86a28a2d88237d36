"""Modes, hooks and private copies of a network, and the identity of its weights."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
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


def not_finite(
    tensors: Mapping[str, Tensor], parameters: Container[str], left_out: Callable[[str], bool]
) -> list[str]:
    """Name the tensors that no network computes anything with.

    These are parameters with NaN or infinity, and other tensors with NaN; a buffer may hold
    infinities, as the masks of transformers do.

    Parameters
    ----------
    tensors : mapping of str to Tensor
    parameters : container of str
        The names that are parameters.
    left_out : function
        Says which names are not looked at.
    """
    return [
        name
        for name, tensor in tensors.items()
        if not left_out(name) and _broken(tensor, finite=name in parameters)
    ]


def _broken(tensor: Tensor, *, finite: bool) -> bool:
    if tensor.is_meta or not (tensor.is_floating_point() or tensor.is_complex()):
        return False
    # Types of eight bits know neither test.
    values = tensor.detach().float() if tensor.element_size() == 1 else tensor.detach()
    return not bool(torch.isfinite(values).all()) if finite else bool(torch.isnan(values).any())


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


GROUPABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
BATCH_NORM = _BatchNorm


class Recorder:
    """Record of one pass: calls, shapes, and which batch norm read which layer.

    Attributes
    ----------
    inputs : dict of str to tuple of int
        Shape of the first tensor given to every module called, in order of the calls.
    order : dict of str to int
        Groupable layers in order of the calls, and the dimensions of their outputs.
    fed : dict of str to set
        For every batch norm the layers whose untouched output it read; None for anything else.
    last, last_output
        The groupable layer called last and, if it is linear, a copy of its output.
    """

    def __init__(self, module: nn.Module) -> None:
        self.names = {child: name for name, child in module.named_modules()}
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.order: dict[str, int] = {}
        self.fed: dict[str, set[str | None]] = {}
        self.last: str | None = None
        self.last_output: Tensor | None = None
        self._linear: set[str] = set()
        self._made: dict[int, tuple[weakref.ref[Tensor], int, str]] = {}

    def enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note the call of a module before it runs."""
        given = next((x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)), None)
        if given is None:
            return
        name = self.names[module]
        self.inputs.setdefault(name, tuple(given.shape))
        if isinstance(module, BATCH_NORM):
            self.fed.setdefault(name, set()).add(self._origin(given))

    def leave(self, module: nn.Module, args: object, output: object) -> None:
        """Note what a groupable layer returned."""
        if not isinstance(output, Tensor):
            return
        name = self.names[module]
        linear = isinstance(module, nn.Linear)
        self.order.setdefault(name, output.ndim)
        self._linear |= {name} if linear else set()
        # A copy, since whatever follows may work in place.
        self.last, self.last_output = name, output.detach().clone() if linear else None
        self._made[id(output)] = (weakref.ref(output), output._version, name)

    def axis_is_neurons(self, layer: str) -> bool:
        """Return whether axis 1, the one a batch norm scales, counts the neurons of ``layer``."""
        return layer not in self._linear or self.order[layer] == 2

    def _origin(self, given: Tensor) -> str | None:
        """Name the layer that made this very tensor, if nothing has written to it since."""
        made = self._made.get(id(given))
        if made is None or made[0]() is not given or made[1] != given._version:
            return None
        return made[2]


@contextmanager
def recording(module: nn.Module, recorder: Recorder) -> Iterator[None]:
    """Attach ``recorder`` to every module below ``module`` for the length of the block."""
    with ExitStack() as stack:
        for child in recorder.names:
            handle = child.register_forward_pre_hook(recorder.enter, with_kwargs=True)
            stack.callback(handle.remove)
            if isinstance(child, GROUPABLE):
                stack.callback(child.register_forward_hook(recorder.leave).remove)
        yield


@contextmanager
def watching(
    modules: Mapping[str, nn.Module], receive: Callable[[str, Tensor], None]
) -> Iterator[None]:
    """Call ``receive(name, output)`` whenever one of ``modules`` has run, inside the block."""
    with ExitStack() as stack:
        for name, module in modules.items():
            hook = partial(_pass_on, receive, name)
            stack.callback(module.register_forward_hook(hook).remove)
        yield


def _pass_on(
    receive: Callable[[str, Tensor], None], name: str, module: nn.Module, args: object, output: Any
) -> None:
    receive(name, output)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put ``module`` in eval mode for the length of the block, then restore every child's mode."""
    modes = {child: child.training for child in module.modules()}
    try:
        module.eval()
        yield
    finally:
        for child, training in modes.items():
            child.training = training


def check_device(device: str | torch.device | None) -> None:
    """Raise a KShotValueError unless torch can compute there; None is the network's own device."""
    if device is None:
        return
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError, ValueError) as error:
        raise KShotValueError(
            f"`device` must be one that torch can use here, such as 'cpu'; not {str(device)!r}: "
            f"{str(error).splitlines()[0]}"
        ) from error

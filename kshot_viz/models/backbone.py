"""A network with its groupable layers, its replaceable head, its last block and its preprocess."""

from __future__ import annotations

import copy
import html
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import Parameter

from kshot_viz.checks import instance
from kshot_viz.errors import KShotKeyError, KShotValueError, unknown_name
from kshot_viz.models.blocks import block_of
from kshot_viz.models.head import find_head, install, settle
from kshot_viz.models.inputs.example import (
    apply_preprocess,
    as_preprocess,
    cast_like,
    explain,
    probe_or_guess,
)
from kshot_viz.models.modes import evaluating, fingerprint, not_finite, private_copy
from kshot_viz.models.outputs import returning_tensor
from kshot_viz.models.probe import LayerInfo, forward, layer_table


class Backbone:
    """A network whose neurons can be grouped and whose head can be replaced.

    Parameters
    ----------
    module : nn.Module
        Any network that maps one tensor to one tensor (N, ...), and those of transformers, of
        whose output logits, pooled features or the first token are taken. It is never changed: the
        backbone works on a copy in eval mode.
    head : str, optional
        Name of the module to be replaced, or "output" to append a head to what the network
        returns. None detects it, see :func:`kshot_viz.models.head.find_head`.
    preprocess : Preprocess, str or callable, optional
        A :class:`Preprocess`, the name of a recipe, or a function from a tensor (N, C, H, W) in
        [0, 1] to what the network takes. None: images pass as they are.
    example : Tensor, optional
        A batch as the network takes it, for the probing pass. Guessed when not given.
    name : str, optional
        What tables and figures call it; the class of the module by default.
    notes : mapping, optional
        Where the weights come from.

    Attributes
    ----------
    module : nn.Module
        The private copy, in eval mode; in the backbone of a result, the tuned network.
    layers : dict of str to LayerInfo
        Layers whose neurons can be grouped, in order of execution, without the head.
    not_groupable : dict of str to str
        Other layers with weights, and why they cannot be grouped.
    input_shape : tuple of int
        Shape of one example as the network took it in the probing pass, (C, H, W).

    Raises
    ------
    KShotValueError
        When the network cannot be probed, has no layer to group, its head cannot be replaced, or
        weights besides the head's are NaN or infinite.
    KShotKeyError
        When ``head`` names no module that runs.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        head: str | None = None,
        preprocess: Any = None,
        example: Tensor | None = None,
        name: str | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        self.preprocess = as_preprocess(preprocess)
        self.notes = dict(notes or {})
        self.name = name or type(module).__name__
        self.module = returning_tensor(private_copy(module))
        network, tried = probe_or_guess(self.module, example, self.preprocess)
        self._position = settle(self.module, find_head(self.module, network, head), tried)
        owns = self._position.owns
        _check_finite(self.module, self.name, owns)
        self.layers = {k: _outside(v, owns) for k, v in network.layers.items() if not owns(k)}
        self.not_groupable = {k: v for k, v in network.not_groupable.items() if not owns(k)}
        self.input_shape = tuple(tried.shape[1:])
        self._taken = {self.input_shape}
        self._in_rows = self._needs_rows(tried[:1])
        if not self.layers:
            raise KShotValueError(
                f"{self.name} has no layer whose neurons can be grouped besides its head "
                f"{self.head_name!r}. Not groupable: {self.not_groupable or 'none'}."
            )

    @property
    def head_name(self) -> str:
        """Name of the module that is replaced by a new head, or "output" if one is appended."""
        return self._position.name

    @property
    def feature_dim(self) -> int:
        """Number of features the head reads."""
        return self._position.feature_dim

    @property
    def last_block(self) -> str:
        """Name of the block with the last layer of the body; see :func:`block_of`."""
        return block_of(self, next(reversed(self.layers)))

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of all names, shapes and bytes of parameters and buffers.

        Computed at each call, since weights may change; about a second per GB.
        """
        return fingerprint(self.module)

    def layer(self, name: str) -> LayerInfo:
        """Return one layer; an unknown name is an error that lists the valid ones."""
        if name in self.layers:
            return self.layers[name]
        if name in self.not_groupable:
            raise KShotValueError(
                f"Layer {name!r} cannot be grouped: {self.not_groupable[name]}. "
                f"Groupable are {', '.join(map(repr, self.layers))}."
            )
        raise KShotKeyError(f"{unknown_name('layer', name, self.layers)} See `backbone.layers`.")

    def prepare(self, images: object) -> Tensor:
        """Apply the preprocess, once, and return the batch that the network takes.

        Parameters
        ----------
        images : array, tensor, list of PIL images or paths, ImageDataset, or rows of features
            See :func:`kshot_viz.data.images.to_unit`.

        Returns
        -------
        Tensor
            (N, C, H, W) or (N, features) of the network's type, on its device.

        Raises
        ------
        KShotValueError
            For images the network cannot take, naming their size and the smallest it takes.

        Notes
        -----
        The first batch of every new shape is checked by one forward pass of its first image, so
        call this before attaching hooks.
        """
        batch = cast_like(apply_preprocess(self.preprocess, images), self.module)
        shape = tuple(batch.shape[1:])
        if shape not in self._taken:
            self._check(batch[:1])
            self._taken.add(shape)
        return row_by_row(batch) if self._in_rows else batch

    def with_new_head(self, n_classes: int) -> Backbone:
        """Return a copy with a new linear head for ``n_classes``, starting at zero.

        The names of all other modules stay as they are; the head's is ``head_name`` of the copy.
        """
        whole = isinstance(n_classes, Integral) and not isinstance(n_classes, bool)
        if not whole or n_classes < 2:
            raise KShotValueError(f"`n_classes` must be an integer >= 2; not {n_classes!r}.")
        fresh = self._with_module(copy.deepcopy(self.module))
        install(fresh.module, self._position, int(n_classes))
        fresh._position = self._position.installed
        return fresh

    def tied_parameters(self, layer: str) -> dict[str, Parameter]:
        """Return the parameters of the layer's neurons: name -> (neurons, ...).

        Weight and bias of the layer, scale and shift of its tied batch norm, where they exist.
        """
        info = self.layer(layer)
        owners = [info.name] if info.norm is None else [info.name, info.norm]
        found = {
            f"{owner}.{name}": self.module.get_submodule(owner)._parameters.get(name)
            for owner in owners
            for name in ("weight", "bias")
        }
        return {name: parameter for name, parameter in found.items() if parameter is not None}

    def block_parameters(self) -> set[str]:
        """Return the names of the parameters of the last block, tied batch norms included."""
        block = self.last_block
        inside = [n for n in self.layers if n == block or n.startswith(f"{block}.")]
        tied = {name for layer in inside for name in self.tied_parameters(layer)}
        return tied | _names_below(self.module, block)

    def head_parameters(self) -> set[str]:
        """Return the names of the head's parameters; empty where a head is yet to be appended."""
        names = (name for name, _ in self.module.named_parameters())
        return {name for name in names if self._position.owns(name)}

    def to(self, target: torch.device | torch.dtype | str) -> Backbone:
        """Return a copy on another device, or of another floating point type."""
        return self._with_module(copy.deepcopy(self.module).to(target))

    def __getstate__(self) -> dict[str, Any]:
        # Shapes tried so far are a memory of use, no part of what the backbone is.
        return {**self.__dict__, "_taken": {self.input_shape}}

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self.module.parameters())
        return (
            f"Backbone({self.name!r}, {count:,} parameters, {len(self.layers)} layers, "
            f"head={self.head_name!r} of {self.feature_dim} features, "
            f"last_block={self.last_block!r})"
        )

    def _repr_html_(self) -> str:
        table = layer_table(self.layers)
        return f"<div><p><b>{html.escape(repr(self))}</b></p>{table}</div>"

    def _with_module(self, module: nn.Module) -> Backbone:
        other = copy.copy(self)
        other.module = module
        other._taken = set(self._taken)
        return other

    def _needs_rows(self, image: Tensor) -> bool:
        """Return whether images must lie row by row in memory; see :func:`row_by_row`."""
        if image.ndim != 4:
            return False
        pixels = torch.empty_like(image, memory_format=torch.channels_last).copy_(image)
        try:
            with evaluating(self.module):
                forward(self.module, pixels)
        except KShotValueError:
            return True
        return False

    def _check(self, image: Tensor) -> None:
        try:
            with evaluating(self.module):
                forward(self.module, image)
        except KShotValueError as error:
            raise KShotValueError(
                f"{explain(self.module, image, error)} "
                f"In the probing pass it took (N, {', '.join(map(str, self.input_shape))})."
            ) from error


def row_by_row(batch: Tensor) -> Tensor:
    """Lay a batch out in memory as its shape says.

    Pixels that hold all their channels are faster to convolve, and one channel looks the same
    either way; but convolutions pass the layout on, and ``view`` in a network may fail on it.
    """
    strides = torch.empty(batch.shape, device="meta").stride()
    if batch.stride() == strides:
        return batch
    return batch.clone(memory_format=torch.contiguous_format)


def _outside(info: LayerInfo, owned: Callable[[str], bool]) -> LayerInfo:
    """Untie a batch norm that goes away with the old head."""
    return replace(info, norm=None) if info.norm is not None and owned(info.norm) else info


def _check_finite(module: nn.Module, name: str, owned: Callable[[str], bool]) -> None:
    """Raise a KShotValueError that names weights no image passes through unharmed."""
    broken = not_finite(
        {**dict(module.named_parameters()), **dict(module.named_buffers())},
        dict(module.named_parameters()),
        owned,
    )
    if broken:
        more = f" and {len(broken) - 8} more" if len(broken) > 8 else ""
        raise KShotValueError(
            f"{name} has weights that are NaN or infinite: {', '.join(broken[:8])}{more}. Load "
            f"the weights again, or take those from before the training diverged."
        )


def _names_below(module: nn.Module, prefix: str) -> set[str]:
    names: Iterable[str] = (name for name, _ in module.named_parameters())
    return {name for name in names if name.startswith(f"{prefix}.")}


BACKBONE = instance(Backbone, cure="kv.Backbone(module) makes one of any network")

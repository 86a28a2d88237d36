"""The position of a network's classifier, and the new head that replaces it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from kshot_viz.errors import KShotValueError
from kshot_viz.models.probe import forward

OUTPUT = "output"
APPENDED = "kshot_head"


class Head(nn.Module):
    """Mean-pool where needed, then a linear layer that starts at zero.

    Parameters
    ----------
    feature_dim : int
        Number of features it reads.
    n_classes : int
        Number of logits it returns.
    axis : int
        The axis of its input that counts features; all others but the first are averaged.
    keep_ndim : bool
        Return (N, ``n_classes``, 1, ...) for networks that pool after their head.
    """

    def __init__(
        self, feature_dim: int, n_classes: int, *, axis: int = 1, keep_ndim: bool = False
    ) -> None:
        super().__init__()
        self.axis = axis
        self.keep_ndim = keep_ndim
        # Drawing values only to overwrite them would disturb the caller's random state.
        self.linear = nn.utils.skip_init(nn.Linear, feature_dim, n_classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (N, C), (N, C, *spatial) or (N, T, C) to logits (N, classes)."""
        given = features.shape[self.axis]
        if given != self.linear.in_features:
            raise KShotValueError(
                f"The head reads {self.linear.in_features} features but was given {given}; "
                "does the number of features depend on the size of the image?"
            )
        logits: Tensor = self.linear(self._pool(features))
        extra = features.ndim - 2 if self.keep_ndim else 0
        return logits.reshape(*logits.shape, *[1] * extra)

    def _pool(self, features: Tensor) -> Tensor:
        kept = {0, self.axis % features.ndim}
        others = [axis for axis in range(features.ndim) if axis not in kept]
        return features.mean(dim=others) if others else features


@dataclass(frozen=True)
class HeadPosition:
    """Where a head is put, and the features it reads there.

    Attributes
    ----------
    name : str
        Module to be replaced, or "output" when the head is appended to what the network returns.
    feature_dim, axis : int
        Number of features, and the axis that counts them.
    appended : bool
        Nothing is replaced.
    hook : bool
        An appended head needs a forward hook; else the network calls its children by itself.
    keep_ndim : bool
        See :class:`Head`.
    """

    name: str
    feature_dim: int
    axis: int = 1
    appended: bool = False
    hook: bool = False
    keep_ndim: bool = False

    @property
    def installed(self) -> HeadPosition:
        """The position of the same head once it is in: an appended one now has a module's name."""
        if not self.appended:
            return self
        return replace(self, name=APPENDED, appended=False, hook=False)

    def owns(self, name: str) -> bool:
        """Return whether the module or parameter ``name`` belongs to the head."""
        return not self.appended and (name == self.name or name.startswith(f"{self.name}."))


def settle(module: nn.Module, position: HeadPosition, example: Tensor) -> HeadPosition:
    """Try the ways to put a head there and return the first that gives (N, classes)."""
    variants = _variants(position)
    for variant in variants:
        with suppress(KShotValueError):
            if _works(module, variant, example):
                return variant
    raise KShotValueError(
        f"A new head instead of `head={position.name!r}` does not give (N, classes): the network "
        f"does something else after it. Give the name of another module, or `head={OUTPUT!r}`."
    )


def install(module: nn.Module, position: HeadPosition, n_classes: int) -> None:
    """Put a new zero head into ``module`` itself; only ever called on a private copy."""
    like = next(p for p in module.parameters() if p.dtype.is_floating_point)
    head = Head(position.feature_dim, n_classes, axis=position.axis, keep_ndim=position.keep_ndim)
    head.to(like.device, like.dtype).train(module.training)
    if position.appended:
        module.add_module(APPENDED, head)
    else:
        _set_child(module, position.name, head)
    if position.hook:
        module.register_forward_hook(_apply_appended)


def _apply_appended(module: nn.Module, args: object, output: Tensor) -> Tensor:
    head = module.get_submodule(APPENDED)
    return head(output)


def _variants(position: HeadPosition) -> list[HeadPosition]:
    if position.appended:
        return [position, replace(position, hook=True)]
    return [position, replace(position, keep_ndim=True)]


def _works(module: nn.Module, position: HeadPosition, example: Tensor) -> bool:
    # An unlikely number, so that neither features nor a slice are mistaken for all the logits.
    n_classes = 101 if position.feature_dim != 101 else 103
    with _tentative(module, position, n_classes):
        return forward(module, example).shape == torch.Size((len(example), n_classes))


@contextmanager
def _tentative(module: nn.Module, position: HeadPosition, n_classes: int) -> Iterator[None]:
    hooks = module._forward_hooks.copy()
    before = None if position.appended else module.get_submodule(position.name)
    try:
        install(module, position, n_classes)
        yield
    finally:
        module._forward_hooks = hooks
        if before is None:
            module._modules.pop(APPENDED, None)
        else:
            _set_child(module, position.name, before)


def _set_child(module: nn.Module, name: str, child: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(parent), leaf, child)

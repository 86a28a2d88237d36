"""Where the classifier of a network is, and the new head that replaces it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.models.probe import LayerInfo, NetworkMap, forward

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
        self.linear = zero_linear(feature_dim, n_classes)

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


def zero_linear(n_in: int, n_out: int, *, bias: bool = True) -> nn.Linear:
    """Return a linear layer of zeros.

    No value is drawn only to be overwritten, which would disturb the caller's random state.
    ``nn.utils.skip_init`` does not draw either, but imports sympy first, for a second or two.
    """
    found = nn.Linear(n_in, n_out, bias=bias, device="meta")
    found.weight = nn.Parameter(torch.zeros(n_out, n_in, device="cpu"))
    if bias:
        found.bias = nn.Parameter(torch.zeros(n_out, device="cpu"))
    return found


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


def find_head(module: nn.Module, network: NetworkMap, head: str | None) -> HeadPosition:
    """Find the head by name, or detect it.

    Parameters
    ----------
    module : nn.Module
    network : NetworkMap
        What :func:`kshot_viz.models.probe.probe` found for it.
    head : str or None
        A module's name, "output" to append a head, or None: the last layer called if it is linear
        and the network returns its output; else a 1x1 convolution whose channels are the network's
        outputs, with everything around it that has no other layer; else a head is appended.

    Raises
    ------
    KShotKeyError
        For a name that no called module has.
    KShotValueError
        For a head in the middle of the network, or a network that ends in a softmax.
    """
    if head is not None and not isinstance(head, str):
        raise KShotValueError(f"`head` must be the name of a module; not {head!r}.")
    if head != OUTPUT and network.returns_probabilities and not network.returns_last:
        raise KShotValueError(
            "The network ends in a softmax, but a head must return logits. Give the network "
            f"without it, or `head={OUTPUT!r}` to keep its output as features."
        )
    name = head if head is not None else _detect(module, network)
    if name is None or (name == OUTPUT and OUTPUT not in network.inputs):
        shape = network.output_shape
        axis = _feature_axis(shape, _last_body(network, None))
        return HeadPosition(OUTPUT, shape[axis], axis, appended=True)
    _check_head(name, network)
    return _named_position(module, network, name)


def _detect(module: nn.Module, network: NetworkMap) -> str | None:
    if network.last is None or network.last not in network.layers:
        return None
    if network.returns_last and network.layers[network.last].norm is None:
        return network.last
    return _convolutional_head(module, network)


def _convolutional_head(module: nn.Module, network: NetworkMap) -> str | None:
    """Return SqueezeNet's "classifier": a 1x1 convolution and what surrounds only it."""
    last = network.layers[network.last or ""]
    kernel = last.weight_shape[2:]
    is_head = (
        set(kernel) == {1}
        and last.norm is None
        and network.output_shape == (network.output_shape[0], last.width)
    )
    if not is_head:
        return None
    parts = last.name.split(".")
    around = [".".join(parts[: depth + 1]) for depth in range(len(parts))]
    return next(name for name in around if _layers_under(name, network) == [last.name])


def _layers_under(name: str, network: NetworkMap) -> list[str]:
    return [layer for layer in network.layers if layer == name or layer.startswith(f"{name}.")]


def _check_head(name: str, network: NetworkMap) -> None:
    called = [known for known in network.inputs if known]
    if name not in called:
        raise unknown_name("head", name, [*called[::-1], OUTPUT])
    after = called[called.index(name) :]
    later = [layer for layer in after if layer in network.layers]
    outside = [layer for layer in later if layer not in _layers_under(name, network)]
    if outside:
        raise KShotValueError(
            f"`head={name!r}` is not at the end: {outside[0]!r} is called after it. "
            f"Give the last module, or `head={OUTPUT!r}` to append one."
        )


def _named_position(module: nn.Module, network: NetworkMap, name: str) -> HeadPosition:
    shape = network.inputs[name]
    if isinstance(module.get_submodule(name), nn.Linear):
        return HeadPosition(name, shape[-1], axis=len(shape) - 1)
    axis = _feature_axis(shape, _last_body(network, name))
    return HeadPosition(name, shape[axis], axis)


def _last_body(network: NetworkMap, head: str | None) -> LayerInfo | None:
    under = _layers_under(head, network) if head else []
    body = [info for name, info in network.layers.items() if name not in under]
    return body[-1] if body else None


def _feature_axis(shape: tuple[int, ...], last: LayerInfo | None) -> int:
    """Distinguish channels first from tokens and channels last by the layer that ran before."""
    linear = last is not None and len(last.weight_shape) == 2
    if len(shape) == 3:
        return 2 if linear or (last is not None and last.output_ndim != 3) else 1
    if len(shape) > 3 and linear and last is not None:
        return len(shape) - 1 if shape[-1] == last.width != shape[1] else 1
    return 1

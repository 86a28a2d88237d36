"""Find the classifier of a network: by name, or by what one probing pass showed."""

from __future__ import annotations

from torch import nn

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.models.head import OUTPUT, HeadPosition
from kshot_viz.models.layers import LayerInfo
from kshot_viz.models.probe import NetworkMap


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

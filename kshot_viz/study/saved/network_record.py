"""A tuned network as a record of plain values, and the network that such a record describes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from kshot_viz.errors import KShotError, KShotValueError
from kshot_viz.finetune.result import FinetuneResult
from kshot_viz.methods.base import Method
from kshot_viz.methods.registry import method_class
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.head import APPENDED, OUTPUT
from kshot_viz.models.inputs.preprocess import Preprocess
from kshot_viz.models.loading.load_backbone import known_network, load_backbone
from kshot_viz.models.modes import evaluating
from kshot_viz.records import plain
from kshot_viz.seeds import torch_rng
from kshot_viz.threads import one_thread

# Of the numbers of two networks with the same weights, which rounding alone may tell.
TOLERANCE = 1e-4


def state_of(network: Backbone) -> dict[str, Tensor]:
    """Return copies of all parameters and buffers on the CPU, none sharing memory with another."""
    state = network.module.state_dict()
    return {name: one.detach().cpu().clone().contiguous() for name, one in state.items()}


def savable(result: FinetuneResult) -> Backbone:
    """Return the tuned network in the form that is saved: merged, where its method can do that.

    Raises
    ------
    KShotValueError
        Where the merged network computes something else, or has modules left that its method
        cannot rebuild.
    """
    method = _method(result.method)
    merged = method.merged(result.backbone)
    if merged is not result.backbone and not _alike(merged, result.backbone):
        raise KShotValueError(
            f"What method={result.method!r} added to {result.backbone.name!r} cannot be merged "
            f"into its weights without changing what it computes, so it cannot be saved. (In half "
            f"precision weights are too coarse for that: tune a copy in float32.)"
        )
    left = sorted(set(result.added) & merged.module.state_dict().keys())
    if left and method.rebuild.__func__ is Method.rebuild.__func__:  # type: ignore[attr-defined]
        raise KShotValueError(
            f"method={result.method!r} added modules to {result.backbone.name!r} ({left[0]!r} and "
            f"others), which a saved classifier cannot build again: the method has no `rebuild`."
        )
    return merged


def network_record(network: Backbone, way: int, method: str) -> dict[str, Any]:
    """Describe a tuned network so that it can be built again, beside its weights.

    ``by_name`` says whether name, head and preprocess are enough. That is tried: a network of a
    class of your own has to be given when it is loaded.

    Parameters
    ----------
    network : Backbone
        Of :func:`savable`.
    way : int
        Number of classes.
    method : str
        What tuned it.

    """
    record = {
        "name": network.name,
        "head": OUTPUT if network.head_name == APPENDED else network.head_name,
        "preprocess": _look_of(network),
        "input_shape": list(network.input_shape),
        "dtype": _dtype(state_of(network)),
        "notes": json.loads(json.dumps(plain(network.notes), default=str)),
    }
    return {**record, "by_name": _rebuilds(record, network, way, method)}


def rebuilt(
    record: Mapping[str, Any],
    state: Mapping[str, Tensor],
    way: int,
    method: str,
    backbone: Backbone | None,
) -> Backbone:
    """Build a tuned network from its record and its weights.

    Parameters
    ----------
    record : mapping
        Of :func:`network_record`.
    state : mapping of str to Tensor
    way : int
        Number of classes.
    method : str
        What tuned it; its modules are put in again.
    backbone : Backbone or None
        The network before it was tuned, where its name is not enough.

    Raises
    ------
    KShotValueError
        If the network has to be given and is not, or the weights do not fit it.
    """
    if backbone is None and not record["by_name"]:
        raise KShotValueError(
            f"The network {record['name']!r} cannot be built from its name: give the one that was "
            f"tuned, `load_classifier(folder, backbone=kv.Backbone(...))`."
        )
    start = _named(record) if backbone is None else backbone
    look = record["preprocess"]
    if backbone is not None and look is not None and _look_of(backbone) != look:
        raise KShotValueError(
            f"The classifier was trained on images prepared by {Preprocess.from_dict(look)}; the "
            f"network that was given prepares them by {backbone.preprocess}."
        )
    tuned = start.with_new_head(way).to(getattr(torch, record["dtype"]))
    try:
        _method(method).rebuild(tuned, state)
        tuned.module.load_state_dict(dict(state))
    except (RuntimeError, LookupError) as error:
        raise KShotValueError(
            f"The saved weights do not fit {start.name!r}: {str(error).splitlines()[-1].strip()} "
            f"Give the network that was tuned. A method of your own must be registered, and what "
            f"it adds to a network put in again by its `rebuild`."
        ) from error
    return tuned


def _method(name: str) -> type[Method]:
    """Return the class of a method; one that is not registered here adds nothing."""
    return method_class(name) or Method


def _look_of(network: Backbone) -> dict[str, Any] | None:
    """Return how a network prepares images, as JSON values; None for a function of your own."""
    look = network.preprocess
    return plain(look.to_dict()) if isinstance(look, Preprocess) else None


def _rebuilds(record: Mapping[str, Any], network: Backbone, way: int, method: str) -> bool:
    """Try whether name, head and preprocess give the same network again."""
    try:
        known_network(record["name"])
        again = rebuilt({**record, "by_name": True}, state_of(network), way, method, None)
    except KShotError:
        # It will be given when it is loaded.
        return False
    return _alike(again, network)


def _named(record: Mapping[str, Any]) -> Backbone:
    """Return the network of a name before it was tuned, with random weights.

    Raises
    ------
    KShotError
        Where there is no such network, or its preprocess is a function.
    """
    look = Preprocess.from_dict(record["preprocess"])
    start = load_backbone(record["name"], weights=None, preprocess=look, head=record["head"])
    return Backbone(
        start.module,
        head=record["head"],
        preprocess=look,
        name=record["name"],
        notes=record["notes"],
    )


@one_thread()
def _alike(first: Backbone, second: Backbone) -> bool:
    """Return whether two networks say the same about noise."""
    shape = (2, *second.input_shape)
    noise = torch.rand(shape, generator=torch_rng(0, "saved", "noise"))
    outputs = []
    for one in (first.to("cpu"), second.to("cpu")):
        like = next(one.module.parameters())
        with torch.inference_mode(), evaluating(one.module):
            outputs.append(one.module(noise.to(like.dtype)))
    return torch.allclose(outputs[0], outputs[1], rtol=TOLERANCE, atol=TOLERANCE)


def _dtype(state: Mapping[str, Tensor]) -> str:
    floats = [one.dtype for one in state.values() if one.is_floating_point()]
    return str(floats[0]).removeprefix("torch.")

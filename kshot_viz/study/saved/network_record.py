"""A tuned network as a record of plain values, and the network that such a record describes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from kshot_viz.errors import KShotError, KShotValueError
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


def network_record(network: Backbone, way: int) -> dict[str, Any]:
    """Describe a tuned network so that it can be built again, beside its weights.

    ``by_name`` says whether name, head and preprocess are enough. That is tried: a network of a
    class of your own has to be given when it is loaded.

    Raises
    ------
    KShotValueError
        For a network of a known name to which its method added modules, and for any whose new head
        has more than other heads have.
    """
    record = {
        "name": network.name,
        "head": OUTPUT if network.head_name == APPENDED else network.head_name,
        "preprocess": _look_of(network),
        "input_shape": list(network.input_shape),
        "dtype": _dtype(state_of(network)),
        "notes": json.loads(json.dumps(plain(network.notes), default=str)),
    }
    return {**record, "by_name": _rebuilds(record, network, way)}


def rebuilt(
    record: Mapping[str, Any], state: Mapping[str, Tensor], way: int, backbone: Backbone | None
) -> Backbone:
    """Build a tuned network from its record and its weights.

    Parameters
    ----------
    record : mapping
        Of :func:`network_record`.
    state : mapping of str to Tensor
    way : int
        Number of classes.
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
        tuned.module.load_state_dict(dict(state))
    except RuntimeError as error:
        raise KShotValueError(
            f"The saved weights do not fit {start.name!r}: {str(error).splitlines()[-1].strip()} "
            f"Give the network that was tuned; one to which a method added modules does not fit."
        ) from error
    return tuned


def _look_of(network: Backbone) -> dict[str, Any] | None:
    """Return how a network prepares images, as JSON values; None for a function of your own."""
    look = network.preprocess
    return plain(look.to_dict()) if isinstance(look, Preprocess) else None


def _rebuilds(record: Mapping[str, Any], network: Backbone, way: int) -> bool:
    """Try whether name, head and preprocess give the same network again."""
    try:
        known_network(record["name"])
        start = _named(record)
    except KShotError:
        # It will be given when it is loaded, with the head that any network gets.
        _refuse_added(network, network.with_new_head(way))
        return False
    _refuse_added(network, start.with_new_head(way))
    try:
        again = rebuilt({**record, "by_name": True}, state_of(network), way, None)
    except KShotValueError:
        return False
    return _alike(again, network)


def _refuse_added(network: Backbone, start: Backbone) -> None:
    """Raise a KShotValueError where a network has modules that one of its class starts without."""
    added = sorted(set(network.module.state_dict()) - set(start.module.state_dict()))
    if added and type(network.module) is type(start.module):
        raise KShotValueError(
            f"The method added modules to {network.name!r} ({added[0]!r} and others), which a "
            f"saved classifier cannot build again; choose a method that tunes the network's own "
            f"parameters."
        )


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
    for one in (first, second.to("cpu")):
        like = next(one.module.parameters())
        with torch.inference_mode(), evaluating(one.module):
            outputs.append(one.module(noise.to(like.dtype)))
    return torch.allclose(outputs[0], outputs[1], rtol=TOLERANCE, atol=TOLERANCE)


def _dtype(state: Mapping[str, Tensor]) -> str:
    floats = [one.dtype for one in state.values() if one.is_floating_point()]
    return str(floats[0]).removeprefix("torch.")

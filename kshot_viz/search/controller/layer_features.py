"""Features of a layer: the controller's input."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kshot_viz.activations import Activations, LayerActivations

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

FEATURES = (
    "convolution",
    "kernel",
    "stride",
    "padding",
    "log inputs",
    "log neurons",
    "depth",
    "share of dead neurons",
    "correlation of neurons",
    "spread of activity",
)


def layer_features(backbone: Backbone, activations: Activations) -> dict[str, tuple[float, ...]]:
    """Return numbers of about 0 to 1 for each layer, named by ``FEATURES``.

    Parameters
    ----------
    backbone : Backbone
    activations : Activations
        Of source images, or of any other images that may be seen.
    """
    last = max(1, len(backbone.layers) - 1)
    return {
        name: (*_shape(backbone, name), index / last, *_activity(activations.layer(name)))
        for index, name in enumerate(backbone.layers)
    }


def _shape(backbone: Backbone, name: str) -> tuple[float, ...]:
    layer, info = backbone.module.get_submodule(name), backbone.layer(name)
    inputs, kernel = info.weight_shape[1], info.weight_shape[2:]
    padding = getattr(layer, "padding", 0)
    return (
        float(bool(kernel)),
        (kernel[0] if kernel else 1) / 7,
        _first(getattr(layer, "stride", 1)) / 4,
        0.5 if isinstance(padding, str) else _first(padding) / 4,
        math.log2(inputs) / 12,
        math.log2(info.width) / 12,
    )


def _first(value: int | tuple[int, ...]) -> float:
    return float(value[0] if isinstance(value, tuple) else value)


def _activity(layer: LayerActivations) -> tuple[float, ...]:
    live = ~layer.dead
    if live.sum() < 2:
        return (1.0 - float(live.mean()), 0.0, 0.0)
    correlation = np.abs(layer.correlation()[np.ix_(live, live)])
    above = correlation[np.triu_indices(len(correlation), 1)]
    spread = layer.std[live]
    return (
        1.0 - float(live.mean()),
        float(above.mean()),
        float(np.clip(spread.std() / spread.mean(), 0, 2) / 2),
    )

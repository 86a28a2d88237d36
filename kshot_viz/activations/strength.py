"""The response of each neuron to each image: its mean output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.activations.capture import capture_activations
from kshot_viz.data.images import image_count

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


def image_responses(backbone: Backbone, images: Any, layer: str) -> NDArray[np.float64]:
    """Return the mean output of each neuron for each image.

    Parameters
    ----------
    backbone : Backbone
    images : image batch
    layer : str

    Returns
    -------
    ndarray, shape (neurons, images)
        Means over the positions of the feature map.
    """
    layers = capture_activations(backbone, images, layers=[layer], pool="mean")
    rows = np.asarray(layers[layer], dtype=np.float64)
    return rows.reshape(len(rows), image_count(images), -1).mean(axis=2)


def standardised_responses(responses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return responses in each neuron's own standard deviations from its mean; dead ones are 0.

    Parameters
    ----------
    responses : ndarray, shape (neurons, images)
    """
    centred = responses - responses.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)

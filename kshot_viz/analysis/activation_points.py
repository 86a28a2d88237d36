"""Activation vectors of images as a point cloud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.activations.capture import capture_activations
from kshot_viz.checks import checked, text, whole
from kshot_viz.data.images import image_count
from kshot_viz.errors import unknown_name
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.seeds import numpy_rng

POSITIONS = ("pooled", "one", "all")


@dataclass(frozen=True, eq=False)
class ActivationPoints:
    """Activation vectors of one layer.

    Attributes
    ----------
    points : ndarray, shape (rows, neurons)
    image : ndarray of int, shape (rows,)
        The image of every row: ``labels[found.image]`` are the classes of the rows.
    layer, positions : str
    """

    points: NDArray[np.float32]
    image: NDArray[np.int64]
    layer: str
    positions: str


@checked(backbone=BACKBONE, layer=text, positions=text, batch_size=whole(1), seed=whole(0))
def activation_points(
    backbone: Backbone,
    images: Any,
    layer: str,
    *,
    positions: str = "pooled",
    batch_size: int = 64,
    seed: int = 0,
) -> ActivationPoints:
    """Record activation vectors of images, one or several of each.

    Parameters
    ----------
    backbone : Backbone
    images : image batch
    layer : str
        One of ``backbone.layers``; its own output is taken, before batch norm and ReLU.
    positions : {"pooled", "one", "all"}
        The mean over the positions of the feature map, the vector at one position drawn for each
        image (as in TopoAct, which leaves out the border), or the vectors at all positions.
    batch_size : int
        Images a forward pass.
    seed : int
        Draws the positions of ``"one"``.

    Returns
    -------
    ActivationPoints

    Raises
    ------
    KShotKeyError
        For an unknown layer or ``positions``.
    """
    if positions not in POSITIONS:
        raise unknown_name("positions", positions, POSITIONS)
    pool = "mean" if positions == "pooled" else "none"
    found = capture_activations(backbone, images, layers=[layer], pool=pool, batch_size=batch_size)[
        layer
    ]
    n = image_count(images)
    maps = np.asarray(found, dtype=np.float32).reshape(len(found), n, -1)
    if positions == "pooled":
        maps = maps.mean(axis=2, keepdims=True)
    if positions == "one":
        drawn = numpy_rng(seed, "positions", layer).integers(maps.shape[2], size=n)
        maps = maps[:, np.arange(n), drawn, None]
    points = np.ascontiguousarray(maps.reshape(len(maps), -1).T)
    return ActivationPoints(points, np.repeat(np.arange(n), maps.shape[2]), layer, positions)

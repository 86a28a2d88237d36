"""Stores of one layer's activations while batches stream through the network.

``FeatureStore`` keeps every feature. ``InnerProductStore`` keeps only how alike the neurons are, in
memory that does not grow with the number of images.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kshot_viz.activations.activations import LayerActivations
from kshot_viz.activations.geometry import FLOAT64_AT_ONCE, isometric, mean_and_std
from kshot_viz.errors import KShotValueError


class Store(Protocol):
    """Takes rows of shape (neurons, images, features) batch by batch, then returns the layer."""

    def add(self, rows: Tensor) -> None:
        """Take one batch."""

    def finish(self) -> LayerActivations:
        """Return the layer after the last batch."""


class FeatureStore:
    """Keeps all features in one float32 array laid out before the stream starts.

    The calls of a layer that runs several times follow one another for each batch; their features
    are kept side by side.
    """

    def __init__(self, width: int, n_images: int, per_image: int) -> None:
        self._features = torch.empty(width, n_images, per_image)
        self._image = self._feature = 0

    def add(self, rows: Tensor) -> None:
        """Copy one batch in: the network may overwrite its own output in place later."""
        images, features = slice(self._image, None), slice(self._feature, None)
        target = self._features[:, images, features]
        target[:, : rows.shape[1], : rows.shape[2]].copy_(rows)
        self._feature += rows.shape[2]
        if self._feature == self._features.shape[2]:
            self._image, self._feature = self._image + rows.shape[1], 0

    def finish(self) -> LayerActivations:
        """Return the features, shape (neurons, images * features)."""
        points = self._features.flatten(1).numpy()
        return LayerActivations(points, *mean_and_std(points), points.shape[1])


class InnerProductStore:
    """Keeps neuron-by-neuron inner products and sums in float64."""

    def __init__(self, width: int) -> None:
        self._products = torch.zeros(width, width, dtype=torch.float64)
        self._sums = torch.zeros(width, dtype=torch.float64)
        self._count = 0

    def add(self, rows: Tensor) -> None:
        """Add one batch, a few images at a time so that the float64 copy stays small."""
        images = max(1, FLOAT64_AT_ONCE // (rows.shape[0] * rows.shape[2]))
        for part in rows.split(images, dim=1):
            exact = part.flatten(1).float().to(device="cpu", dtype=torch.float64)
            self._products.addmm_(exact, exact.T)
            self._sums += exact.sum(dim=1)
            self._count += exact.shape[1]

    def finish(self) -> LayerActivations:
        """Return coordinates with the same inner products, shape (neurons, rank)."""
        from threadpoolctl import threadpool_limits

        products = self._products.numpy()
        mean = self._sums.numpy() / self._count
        variance = np.maximum(np.diag(products) / self._count - mean**2, 0.0)
        with threadpool_limits(limits=1):
            points = isometric(products)
        return LayerActivations(points, mean, np.sqrt(variance), self._count, "inner_products")


def plan_stores(
    shapes: dict[str, tuple[int, int]], n_images: int, max_memory: int | None
) -> dict[str, Store]:
    """Decide which layers keep features, from sizes alone.

    Parameters
    ----------
    shapes : dict
        Layer -> (neurons, features an image).
    n_images : int
        Images that will come.
    max_memory : int or None
        Bytes for all layers together. The largest layers give up their features first.
    """
    full = {name: 4 * width * per * n_images for name, (width, per) in shapes.items()}
    small = {name: 8 * width * (width + 1) for name, (width, _) in shapes.items()}
    compressed = _compressed(full, small, max_memory)
    return {
        name: InnerProductStore(width) if name in compressed else FeatureStore(width, n_images, per)
        for name, (width, per) in shapes.items()
    }


def _compressed(full: dict[str, int], small: dict[str, int], cap: int | None) -> set[str]:
    chosen: set[str] = set()
    total = sum(full.values())
    for name in sorted(full, key=lambda n: (small[n] - full[n], n)):
        if cap is None or total <= cap or small[name] >= full[name]:
            break
        chosen.add(name)
        total += small[name] - full[name]
    if cap is not None and total > cap:
        raise KShotValueError(
            f"`max_memory` must be at least {total:,} bytes for these {len(full)} layers, even "
            f"with inner products only; not {cap:,}. Capture fewer `layers`."
        )
    return chosen


def check_finite(name: str, rows: Tensor) -> None:
    """Raise a KShotValueError that names the layer if any activation is NaN or infinite."""
    # One sum is many times cheaper than a look at every number; it may overflow without a cause.
    if math.isfinite(rows.sum().item()) or bool(torch.isfinite(rows).all()):
        return
    bad: NDArray[np.int64] = np.flatnonzero((~torch.isfinite(rows)).flatten(1).any(1).cpu().numpy())
    shown = ", ".join(map(str, bad[:8]))
    raise KShotValueError(
        f"Layer {name!r} gave NaN or infinite activations in {bad.size} of {rows.shape[0]} neurons "
        f"({shown}{', ...' if bad.size > 8 else ''}). Check the weights and the image range."
    )

"""Captured activations: for every layer one row of numbers per neuron."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kshot_viz.activations.pooling import inner_products, isometric
from kshot_viz.errors import unknown_name
from kshot_viz.text import html_details, html_table
from kshot_viz.threads import one_thread

# A neuron counts as dead when its output moves by less than this share of its own level, of the
# layer's usual level or of the layer's liveliest neuron: float32 sums of a constant already wobble
# by about 1e-7 of what is summed, which may cancel to almost nothing.
DEAD_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class LayerActivations:
    """The neurons of one layer as points whose distances are distances between activations.

    Attributes
    ----------
    points : ndarray, shape (neurons, dimensions)
        ``form="features"``: the pooled activations themselves, float32. ``form="inner_products"``:
        coordinates in float64 with the same inner products and therefore the same distances.
    mean, std : ndarray, shape (neurons,)
        Over all features of the neuron.
    n_features : int
        Features a neuron was captured with: images x positions left by pooling.
    form : {"features", "inner_products"}
    """

    points: NDArray[np.floating]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    n_features: int
    form: str = "features"

    @property
    def width(self) -> int:
        """Number of neurons."""
        return self.points.shape[0]

    @cached_property
    def dead(self) -> NDArray[np.bool_]:
        """Which neurons gave the same output everywhere, shape (neurons,)."""
        own = np.abs(self.mean)
        level = np.maximum(own, max(np.median(own), self.std.max()))
        return self.std <= DEAD_TOLERANCE * level

    @cached_property
    def compact(self) -> NDArray[np.float64]:
        """Points of at most ``neurons`` dimensions with the same distances, float64."""
        if self.points.shape[1] <= self.width:
            return np.asarray(self.points, dtype=np.float64)
        # One thread: kept from now on, these bits decide which neuron is on which side of a border.
        with one_thread():
            return isometric(inner_products(self.points))

    def distances(self) -> NDArray[np.float64]:
        """Euclidean distances between neurons, shape (neurons, neurons)."""
        from scipy.spatial.distance import pdist, squareform

        return squareform(pdist(self.compact))

    def standardised(self) -> NDArray[np.float64]:
        """Points whose inner products are the correlations between neurons; dead rows are zero."""
        inner = self.compact @ self.compact.T
        covariance = inner / self.n_features - np.outer(self.mean, self.mean)
        scale = np.where(self.dead, np.inf, self.std)
        return isometric(covariance / np.outer(scale, scale))

    def correlation(self) -> NDArray[np.float64]:
        """Correlation of the neurons' activations, shape (neurons, neurons); 0 for dead ones."""
        covariance = inner_products(self.points) / self.n_features - np.outer(self.mean, self.mean)
        scale = np.where(self.dead, np.inf, self.std)
        return np.clip(covariance / np.outer(scale, scale), -1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Activations(Mapping[str, NDArray[np.floating]]):
    """Activations of several layers; ``activations[layer]`` has shape (neurons, dimensions)."""

    layers: Mapping[str, LayerActivations]
    pool: str
    n_images: int
    network: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)

    # Mapping would compare arrays as if they were single values.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __getitem__(self, layer: str) -> NDArray[np.floating]:
        return self.layer(layer).points

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def layer(self, name: str) -> LayerActivations:
        """Return the activations of one layer.

        Raises
        ------
        KShotKeyError
            If the layer was not captured; the message lists those that were.
        """
        if name not in self.layers:
            raise unknown_name("layer", name, self.layers)
        return self.layers[name]

    def __repr__(self) -> str:
        rows = [f"  {name}: {_describe(layer)}" for name, layer in self.layers.items()]
        head = f"Activations of {len(self)} layers, {self.n_images} images, pool={self.pool!r}"
        return "\n".join([head, *rows])

    def _repr_html_(self) -> str:
        rows = [
            (name, one.width, one.n_features, one.form.replace("_", " "), int(one.dead.sum()))
            for name, one in self.layers.items()
        ]
        table = html_table(("layer", "neurons", "features", "kept as", "dead"), rows)
        caption = f"{self.n_images} images, pool = {self.pool}"
        return html_details(f"Activations: {len(self)} layers, {caption}", table)


def _describe(layer: LayerActivations) -> str:
    dead = f", {int(layer.dead.sum())} dead" if layer.dead.any() else ""
    return f"{layer.width} neurons x {layer.n_features} features ({layer.form}{dead})"

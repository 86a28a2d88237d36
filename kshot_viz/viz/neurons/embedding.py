"""Embed the neurons of a layer in the plane: near neurons respond alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kshot_viz.errors import unknown_name
from kshot_viz.seeds import child_seed

if TYPE_CHECKING:
    from kshot_viz.activations import Activations

METHODS = ("pca", "umap")
# Beyond this, finding two components by iteration is much faster than finding all of them.
_SMALL = 64


@dataclass(frozen=True, eq=False)
class Embedding:
    """Coordinates of neurons in the plane.

    Attributes
    ----------
    points : ndarray, shape (neurons, 2)
    method : {"pca", "umap"}
    explained : tuple of two floats, or None
        Share of variance of each principal component.
    """

    points: NDArray[np.float64]
    method: str
    explained: tuple[float, float] | None

    @property
    def axes(self) -> tuple[str, str]:
        """Labels of the two axes."""
        if self.explained is None:
            return "UMAP 1", "UMAP 2"
        first, second = (f"({100 * share:.0f} % of variance)" for share in self.explained)
        return f"component 1 {first}", f"component 2 {second}"


def neuron_embedding(
    activations: Activations, layer: str, *, method: str = "pca", seed: int = 0
) -> Embedding:
    """Embed the neurons of one layer in two dimensions.

    Parameters
    ----------
    activations : Activations
    layer : str
    method : {"pca", "umap"}
        Principal components take milliseconds; UMAP is compiled at its first call, about ten
        seconds.
    seed : int
        Seed of UMAP; principal components need none.

    Raises
    ------
    KShotKeyError
        For an unknown method or layer.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    whole = activations.layer(layer)
    if method == "pca":
        points, explained = principal_components(np.asarray(whole.points, dtype=np.float64))
        return Embedding(points, method, explained)
    return Embedding(umap_coordinates(whole.compact, child_seed(seed, "umap", layer)), method, None)


def principal_components(
    points: NDArray[np.float64],
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Return coordinates on two principal components and the share of variance of each."""
    from sklearn.decomposition import PCA

    coordinates, shares = np.zeros((len(points), 2)), np.zeros(2)
    if len(points) > 1 and np.ptp(points, axis=0).any():
        kept = min(2, *points.shape)
        solver = "arpack" if min(points.shape) > _SMALL else "full"
        pca = PCA(n_components=kept, svd_solver=solver, random_state=0)
        coordinates[:, :kept] = pca.fit_transform(points)
        shares[:kept] = pca.explained_variance_ratio_
    return coordinates, (float(shares[0]), float(shares[1]))


def umap_coordinates(points: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return coordinates by UMAP, or by PCA for layers too small for it."""
    if len(points) < 5:
        return principal_components(points)[0]
    from umap import UMAP

    layout = UMAP(
        n_neighbors=min(15, len(points) - 1),
        init="pca",
        random_state=seed % 2**32,
        n_jobs=1,
    )
    return np.asarray(layout.fit_transform(points), dtype=np.float64)

"""Two coordinates for each of many points: principal components, or UMAP."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kshot_viz.threads import one_thread

# Beyond this, finding two components by iteration is much faster than finding all of them.
_SMALL = 64


@one_thread()
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


@one_thread()
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

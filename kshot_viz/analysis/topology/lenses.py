"""Lenses of Mapper: one or two numbers of every row, along which the cloud is cut into bins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.topology.points import Points
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.seeds import child_seed, numpy_rng

# Density and eccentricity look at all rows up to here, and beyond at so many drawn ones.
LANDMARKS = 2000
_NEIGHBOURS = 10
_AT_ONCE = 2**23  # distances in memory: 64 MB
Values = NDArray[np.float64]


def given_lens(lens: Any, n: int) -> Values | None:
    """Return a lens that was given as numbers, shape (n, 1 or 2); None for a name.

    Raises
    ------
    KShotKeyError
        For an unknown name.
    KShotValueError
        For numbers of another shape, or that are not finite.
    """
    if isinstance(lens, str):
        if lens not in LENSES:
            raise unknown_name("lens", lens, LENSES)
        return None
    try:
        values = np.asarray(lens, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise KShotValueError(f"`lens` must be a name or an array of numbers: {error}") from error
    if values.shape not in ((n,), (n, 1), (n, 2)):
        raise KShotValueError(
            f"`lens` must have one or two numbers for each of the {n} rows, shape ({n},) or "
            f"({n}, 2); not shape {values.shape}."
        )
    if not np.isfinite(values).all():
        raise KShotValueError("`lens` must be finite; it has NaN or infinite numbers.")
    return values.reshape(n, -1)


def lens_values(points: Points, name: str, seed: int) -> Values:
    """Return the lens of that name.

    Parameters
    ----------
    points : ndarray, shape (rows, features)
    name : str
        One of :data:`LENSES`.
    seed : int
        Of UMAP, and of the landmarks of ``"density"`` and ``"eccentricity"``.

    Returns
    -------
    ndarray, shape (rows, 1 or 2)
    """
    return LENSES[name](points, seed).reshape(len(points), -1)


def check_spread(values: Values, name: str, precision: float) -> None:
    """Raise a KShotValueError where a lens is the same for all rows, up to rounding."""
    spread, size = np.ptp(values, axis=0), np.abs(values).max(axis=0)
    if (spread <= 16 * precision * size).any():
        raise KShotValueError(
            f"The lens {name!r} is the same for all rows ({values[0].mean():.4g}), so no interval "
            f"parts them. Take another one of {', '.join(map(repr, LENSES))}, or an array."
        )


def norms(points: Points) -> Values:
    """Return the L2 norm of every row."""
    return np.sqrt(np.einsum("ij,ij->i", points, points, dtype=np.float64))


def _norm(points: Points, seed: int) -> Values:
    return norms(points)


def _components(number: int) -> Callable[[Points, int], Values]:
    def lens(points: Points, seed: int) -> Values:
        from sklearn.decomposition import PCA

        few = points.shape[1] <= len(points)
        pca = PCA(min(number, *points.shape), svd_solver="covariance_eigh" if few else "full")
        return pca.fit_transform(points).astype(np.float64)

    return lens


def _umap(points: Points, seed: int) -> Values:
    from kshot_viz.analysis.planar import umap_coordinates

    return umap_coordinates(points.astype(np.float64), child_seed(seed, "umap lens"))


def _density(points: Points, seed: int) -> Values:
    """Logarithm of a Gaussian kernel density, as wide as usual distances to the tenth neighbour."""
    marks = _landmarks(points, seed)
    k = min(_NEIGHBOURS, len(marks) - 1)
    near = [np.partition(part, k, axis=1)[:, k] for part in _distances(marks, marks)]
    width = max(float(np.median(np.concatenate(near))), float(np.finfo(np.float32).tiny))
    parts = _distances(points, marks)
    return np.concatenate([_log_mean_exp(-((part / width) ** 2) / 2) for part in parts])


def _log_mean_exp(exponents: Values) -> Values:
    # Far from all landmarks every term alone would be rounded to zero.
    most = exponents.max(axis=1)
    return most + np.log(np.exp(exponents - most[:, None]).mean(axis=1))


def _eccentricity(points: Points, seed: int) -> Values:
    marks = _landmarks(points, seed)
    return np.concatenate([part.mean(axis=1) for part in _distances(points, marks)])


def _landmarks(points: Points, seed: int) -> Points:
    if len(points) <= LANDMARKS:
        return points
    drawn = numpy_rng(seed, "landmarks").choice(len(points), LANDMARKS, replace=False)
    return points[np.sort(drawn)]


def _distances(points: Points, marks: Points) -> Iterator[Values]:
    """Yield distances to the landmarks, in blocks of rows."""
    from sklearn.metrics import euclidean_distances

    step = max(1, _AT_ONCE // len(marks))
    starts = range(0, len(points), step)
    return (euclidean_distances(points[one : one + step], marks) for one in starts)


LENSES: dict[str, Callable[[Points, int], Values]] = {
    "norm": _norm,
    "pca": _components(1),
    "pca2": _components(2),
    "umap": _umap,
    "density": _density,
    "eccentricity": _eccentricity,
}

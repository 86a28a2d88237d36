"""Similarity by the best linear map: canonical correlations and orthogonal Procrustes.

SVCCA: Raghu et al., NeurIPS 2017. PWCCA: Morcos et al., NeurIPS 2018. Procrustes: Ding et al.,
NeurIPS 2021; Williams et al., NeurIPS 2021.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.similarity.samples import Rows, centred, ratio

# SVCCA keeps the leading directions with this share of the variance.
_VARIANCE = 0.99
_RANK = 1e-10


def svcca(first: Rows, second: Rows) -> float:
    """Return the mean canonical correlation of the leading directions (99 % of the variance)."""
    cosines = np.linalg.svd(leading(first).T @ leading(second), compute_uv=False)
    return float(np.clip(cosines, 0.0, 1.0).mean()) if cosines.size else float("nan")


def pwcca(first: Rows, second: Rows) -> float:
    """Return the mean canonical correlation, weighted by how much of ``first`` it carries."""
    basis = leading(first, 1.0)
    turned, cosines, _ = np.linalg.svd(basis.T @ leading(second, 1.0), full_matrices=False)
    directions = basis @ turned
    weights = np.abs(directions.T @ centred(first)).sum(axis=1)
    return ratio(float(weights @ np.clip(cosines, 0.0, 1.0)), float(weights.sum()))


def procrustes(first: Rows, second: Rows) -> float:
    """Return 1 - d^2 / 2 for the distance d after the best rotation, at norm 1 each."""
    a, b = centred(first), centred(second)
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    return ratio(float(np.linalg.norm(a.T @ b, "nuc")), float(norms))


def leading(rows: Rows, share: float = _VARIANCE) -> NDArray[np.float64]:
    """Return an orthonormal basis of the directions with a share of the variance, (n, rank)."""
    vectors, values, _ = np.linalg.svd(centred(rows), full_matrices=False)
    real = values > _RANK * max(values[0], np.finfo(float).tiny)
    held = np.cumsum(values**2) / max(np.sum(values**2), np.finfo(float).tiny)
    # The first directions that together reach the share, rounding aside.
    kept = np.arange(len(values)) <= np.searchsorted(held, share - 1e-12)
    return vectors[:, real & kept]


def compact(rows: Rows) -> Rows:
    """Return coordinates of at most n dimensions that differ by a rotation only."""
    if rows.shape[1] <= len(rows):
        return rows
    vectors, values, _ = np.linalg.svd(centred(rows), full_matrices=False)
    return vectors * values

"""Second moments of representations and gradients on both sides of a linear map."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kshot_viz.errors import KShotValueError

Array = NDArray[np.float64]
KINDS = ("raw", "normalised")
SIGNALS = ("H_a", "G_a", "H_b", "G_b")
# Eigenvalues of Z below this share of the largest count as zero.
RANK = 1e-6


@dataclass
class _Sums:
    """Sums over samples."""

    second: Array
    first: Array
    count: int = 0

    def add(self, rows: Array) -> None:
        self.second += rows.T @ rows
        self.first += rows.sum(axis=0)
        self.count += len(rows)


@dataclass
class Moments:
    """Moments of one map h_b = W h_a, gathered batch by batch.

    Parameters
    ----------
    weight : ndarray, shape (outputs, inputs)

    Notes
    -----
    Kept are a few matrices, and for each image the energy of its signals along the singular
    directions of W; never the signals themselves.
    """

    weight: Array
    _sums: dict[tuple[str, str], _Sums] = field(default_factory=dict)
    _energies: list[tuple[Array, Array]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not np.isfinite(self.weight).all():
            raise KShotValueError(
                "The network has weights that are NaN or infinite, as after a run that diverged; "
                "tune it with a smaller step size."
            )
        left, values, right = np.linalg.svd(self.weight, full_matrices=False)
        kept = values**2 > RANK * max(values[0] ** 2, np.finfo(float).tiny)
        self._left, self._right = left[:, kept], right[kept].T
        self.eigenvalues: Array = values[kept] ** 2

    def add(self, representations: Array, gradients: Array) -> None:
        """Add a batch.

        Parameters
        ----------
        representations : ndarray, shape (images, positions, inputs)
            h_a.
        gradients : ndarray, shape (images, positions, outputs)
            Of each image's loss with respect to h_b; the one with respect to h_a, as far as it
            goes through this map, is W^T times it.
        """
        signals = {
            "H_a": representations,
            "G_a": gradients @ self.weight,
            "H_b": representations @ self.weight.T,
            "G_b": gradients,
        }
        for name, values in signals.items():
            rows = values.reshape(-1, values.shape[-1])
            self._of(name, "raw", rows.shape[1]).add(rows)
            norms = np.linalg.norm(rows, axis=1, keepdims=True)
            unit = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
            self._of(name, "normalised", rows.shape[1]).add(unit)
        along = representations @ self._right, gradients @ self._left
        self._energies.append(tuple(np.square(one).mean(axis=1) for one in along))  # type: ignore[arg-type]

    def matrix(self, name: str, kind: str = "raw") -> Array:
        """Return one of H_a, G_a, H_b, G_b, Z_a, Z_b.

        ``kind="raw"``: second moments E[x x^T]. ``"normalised"``: each sample is divided by its
        norm, then the covariance is taken. Z does not depend on it.
        """
        if name == "Z_a":
            return self.weight.T @ self.weight
        if name == "Z_b":
            return self.weight @ self.weight.T
        sums = self._sums.get((name, kind))
        if sums is None:
            raise KShotValueError(f"No moment {name!r} ({kind!r}) was gathered.")
        second = sums.second / sums.count
        if kind == "raw":
            return second
        mean = sums.first / sums.count
        return second - np.outer(mean, mean)

    @property
    def energies(self) -> tuple[Array, Array]:
        """Mean squares of h_a and of the gradient at h_b along W's singular directions.

        Each is (images, directions), the largest singular value first.
        """
        first, second = zip(*self._energies, strict=True)
        return np.concatenate(first), np.concatenate(second)

    def _of(self, name: str, kind: str, size: int) -> _Sums:
        key = (name, kind)
        if key not in self._sums:
            self._sums[key] = _Sums(np.zeros((size, size)), np.zeros(size))
        return self._sums[key]

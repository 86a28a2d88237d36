"""Exponents of representations and gradients as powers of W W^T, and the phase they are near.

Ziyin et al. (ICLR 2025) call it the polynomial alignment hypothesis: where one relation holds on
each side of a map, all moments are powers of each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from kshot_viz.analysis.alignment.moments import Array, Moments
from kshot_viz.seeds import numpy_rng

# Exponents of H_a over Z_a and of G_b over Z_b that follow from H_b = W H_a W^T and
# G_a = W^T G_b W where the two relations hold; of H_b and G_a they are larger by one.
PHASES: dict[str, tuple[int, int]] = {
    "f-RGA + b-RWA": (1, 2),
    "f-RGA + b-GWA": (-1, 0),
    "f-RWA + b-RGA": (0, -1),
    "f-RWA + b-GWA": (0, 0),
    "f-GWA + b-RGA": (2, 1),
    "f-GWA + b-RWA": (1, 1),
}
Fit = tuple[float, float, float, float, float]
FLAT = "flat spectrum"
# A phase is named where it is so near, and both fits that it rests on are at least so good.
FARTHEST = LEAST_R2 = 0.5
# An exponent of 0 explains no variance, so r2 is 0 however well it holds: such a fit is good where
# logarithms scatter so little, in parts of the spread of the eigenvalues' logarithms.
MOST_SCATTER = 0.3
# Eigenvalues of Z within this factor have no power law.
_FLAT_RATIO = 1.1
_FIT = ("exponent", "low", "high", "r2", "scatter")


def exponent_rows(moments: Moments, resamples: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each of H_a, G_a, H_b, G_b with its exponent over Z of its side.

    H_b and G_a are tied to H_a and G_b by the weight, so their exponents are larger by exactly
    one and their r2 is no evidence. A phase is named where its distance is at most 0.5 and both
    the fit of H_a and that of G_b have an r2 of at least 0.5 or a scatter of at most 0.3.
    """
    z = moments.eigenvalues
    a, b = moments.energies
    # Along the singular directions of W the energy of h_b is that of h_a times the eigenvalue.
    energies = {"H_a": a, "G_a": b * z, "H_b": a * z, "G_b": b}
    fits = {name: fitted(z, one, resamples, seed) for name, one in energies.items()}
    phase, distance = nearest_phase(z, fits["H_a"][0], fits["G_b"][0])
    if phase != FLAT and not (_good(fits["H_a"]) and _good(fits["G_b"])):
        phase = ""
    for name, fit in fits.items():
        yield {
            "matrix": name,
            "side": "input" if name.endswith("a") else "output",
            **dict(zip(_FIT, fit, strict=True)),
            "directions": len(z),
            "phase": phase,
            "phase_distance": distance,
        }


def fitted(eigenvalues: Array, energies: Array, resamples: int, seed: int) -> Fit:
    """Fit a power law to mean energies by least squares of logarithms.

    Parameters
    ----------
    eigenvalues : ndarray, shape (directions,)
    energies : ndarray, shape (images, directions)
    resamples : int
        Bootstrap resamples of the images; 0 for no interval.
    seed : int

    Returns
    -------
    exponent, low, high, r2, scatter : float
        Scatter is the spread of what the fit leaves, in parts of that of the eigenvalues. NaN
        where fewer than three directions have energy, or all eigenvalues are equal.
    """
    mean = energies.mean(axis=0)
    # A layer whose weights are all zero has no direction.
    kept = mean > 1e-12 * mean.max(initial=np.finfo(float).tiny)
    nothing = (math.nan,) * 5
    if kept.sum() < 3 or np.ptp(np.log(eigenvalues[kept])) < math.log(_FLAT_RATIO):
        return nothing
    x = np.log(eigenvalues[kept])
    x = x - x.mean()
    y = np.log(mean[kept])
    slope = float(x @ y / (x @ x))
    spread = float(np.square(y - y.mean()).sum())
    left = float(np.square(y - y.mean() - slope * x).sum())
    r2 = 1 - left / spread if spread > 0 else 1.0
    low = high = math.nan
    if resamples:
        n = len(energies)
        counts = numpy_rng(seed, "exponents").multinomial(n, np.full(n, 1 / n), size=resamples)
        with np.errstate(divide="ignore"):
            logs = np.log(counts @ energies[:, kept] / n)
        slopes = logs[np.isfinite(logs).all(axis=1)] @ x / (x @ x)
        if len(slopes):
            low, high = map(float, np.quantile(slopes, (0.025, 0.975)))
    return slope, low, high, r2, math.sqrt(left / float(x @ x))


def _good(fit: Fit) -> bool:
    *_, r2, scatter = fit
    return r2 >= LEAST_R2 or scatter <= MOST_SCATTER


def nearest_phase(eigenvalues: Array, h_a: float, g_b: float) -> tuple[str, float]:
    """Name the phase whose exponents of H_a and G_b are nearest, and their distance from it.

    It has no name where the distance is above 0.5.
    """
    if eigenvalues.size and eigenvalues.max() <= _FLAT_RATIO * eigenvalues.min():
        return FLAT, 0.0
    if not math.isfinite(h_a + g_b):
        return "", math.nan
    distances = {name: math.dist((h_a, g_b), one) for name, one in PHASES.items()}
    best = min(distances, key=distances.__getitem__)
    return best if distances[best] <= FARTHEST else "", distances[best]

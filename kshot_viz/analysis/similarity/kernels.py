"""Centred kernel alignment (CKA) and similarity of distances, from matrices over samples.

Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019; the unbiased
estimate is that of Song et al. (JMLR 2012), averaged over batches by Nguyen et al. (ICLR 2021).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.similarity.samples import Rows, centred, ratio, sample_pair
from kshot_viz.errors import KShotValueError
from kshot_viz.threads import one_thread

Square = NDArray[np.float64]


def gram(rows: Rows) -> Square:
    """Return the inner products of the centred samples, shape (n, n)."""
    middle = centred(rows)
    return middle @ middle.T


def squared_distances(rows: Rows) -> Square:
    """Return squared Euclidean distances between samples, shape (n, n), with a zero diagonal."""
    products = gram(rows)
    own = np.diag(products)
    distances = np.maximum(own[:, None] + own - 2 * products, 0.0)
    np.fill_diagonal(distances, 0.0)
    return distances


def linear_cka(first: Square, second: Square) -> float:
    """Return CKA of two kernels over the same samples, in [0, 1]."""
    left, right = _double_centred(first), _double_centred(second)
    return ratio(float((left * right).sum()), float(np.linalg.norm(left) * np.linalg.norm(right)))


def unbiased_cka(first: Square, second: Square) -> float:
    """Return CKA from unbiased estimates of HSIC; at most 1, about 0 where nothing is shared."""
    own = unbiased_hsic(first, first) * unbiased_hsic(second, second)
    return ratio(unbiased_hsic(first, second), float(np.sqrt(max(own, 0.0))))


def rbf_cka(first: Square, second: Square) -> float:
    """Return CKA of Gaussian kernels, from squared distances; in [0, 1]."""
    return linear_cka(gaussian(first), gaussian(second))


def gaussian(squared: Square) -> Square:
    """Return Gaussian kernels whose bandwidth is the median distance of two samples."""
    pairs = squared[np.triu_indices(len(squared), 1)]
    middle = float(np.median(np.sqrt(pairs))) ** 2
    if middle == 0:
        # More than half of the pairs are copies: any bandwidth would be arbitrary.
        return np.full_like(squared, np.nan)
    return np.exp(-squared / (2 * middle))


def unbiased_hsic(first: Square, second: Square) -> float:
    """Return the unbiased estimate of HSIC (Song et al., 2012, equation 5) of n >= 4 samples."""
    n = len(first)
    left, right = first.copy(), second.copy()
    np.fill_diagonal(left, 0.0)
    np.fill_diagonal(right, 0.0)
    rows_k, rows_l = left.sum(axis=0), right.sum(axis=0)
    total = (left * right).sum()
    total += rows_k.sum() * rows_l.sum() / ((n - 1) * (n - 2))
    total -= 2 * (rows_k @ rows_l) / (n - 2)
    return float(total / (n * (n - 3)))


@one_thread()
def minibatch_cka(batches: Iterable[tuple[Any, Any]]) -> float:
    """Return unbiased linear CKA of more samples than fit into memory at once.

    Parameters
    ----------
    batches : iterable of pairs (a, b)
        Two representations of the samples of one batch, each (samples, features) as for
        :func:`kshot_viz.analysis.similarity`; at least 4 samples a batch. It is read once.

    Returns
    -------
    float
        From unbiased estimates of HSIC, averaged over batches by their number of samples (Nguyen
        et al., 2021); the larger the batches, the less noise.

    Raises
    ------
    KShotValueError
        Without a batch, and for a batch of fewer than 4 samples or of different numbers of them.
    """
    sums, count = np.zeros(3), 0
    for a, b in batches:
        rows_a, rows_b = sample_pair(a, b)
        if len(rows_a) < 4:
            raise KShotValueError(
                f"A batch must have at least 4 samples; not {len(rows_a)}. Leave out the last "
                f"one, or spread its samples over the others."
            )
        left, right = gram(rows_a), gram(rows_b)
        found = [unbiased_hsic(*pair) for pair in ((left, right), (left, left), (right, right))]
        sums += len(rows_a) * np.array(found)
        count += 1
    if not count:
        raise KShotValueError("`batches` is empty: at least one pair (a, b) is needed.")
    return ratio(float(sums[0]), float(np.sqrt(max(sums[1] * sums[2], 0.0))))


def _double_centred(kernel: Square) -> Square:
    return kernel - kernel.mean(axis=0) - kernel.mean(axis=1)[:, None] + kernel.mean()

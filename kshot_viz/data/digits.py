"""scikit-learn's handwritten digits, in the same frame as the glyphs.

1797 grey images of 8 x 8 pixels with 17 levels (UCI optical recognition of handwritten digits, test
part), enlarged to 20 x 20 and centred in 28 x 28, light on dark.
"""

from __future__ import annotations

import numpy as np

from kshot_viz.data.dataset import ImageDataset, dataset_from_arrays

_NOTES = {
    "source": "scikit-learn load_digits: UCI Optical Recognition of Handwritten Digits, test part",
    "licence": "CC BY 4.0 (E. Alpaydin, C. Kaynak)",
    "frame": "8x8 enlarged to 20x20 by cubic convolution, centred in 28x28",
}


def load_digits() -> ImageDataset:
    """Load the 1797 digits as uint8 ``(1797, 28, 28, 1)``, classes "0" to "9"."""
    from sklearn.datasets import load_digits as load

    bunch = load()
    small = np.rint(bunch.images).astype(np.int64)
    return dataset_from_arrays(
        _enlarge(small), bunch.target, [str(d) for d in range(10)], name="digits", notes=_NOTES
    )


def _enlarge(small: np.ndarray) -> np.ndarray:
    """Scale ``(N, 8, 8)`` integers 0..16 to uint8 ``(N, 28, 28)``.

    In whole numbers throughout, so that the pixels, and the fingerprint made of them, are the same
    on every machine.
    """
    weights = _cubic_weights()
    unit = int(weights[0].sum())
    large = weights @ small @ weights.T
    levels = (large * 255 * 2 + 16 * unit * unit) // (2 * 16 * unit * unit)
    return np.pad(np.clip(levels, 0, 255).astype(np.uint8), ((0, 0), (4, 4), (4, 4)))


def _cubic_weights(source: int = 8, target: int = 20) -> np.ndarray:
    """Build the integer matrix ``(target, source)`` of Keys' cubic convolution (1981, a = -1/2).

    Pixel centres fall on tenths of a source pixel, so 2000 times each weight is a whole number.
    """
    matrix = np.zeros((target, source), dtype=np.int64)
    for row in range(target):
        centre = (2 * row + 1) * source * 10 // (2 * target) - 5
        for column in range(centre // 10 - 1, centre // 10 + 3):
            nearest = min(max(column, 0), source - 1)
            matrix[row, nearest] += _cubic(abs(10 * column - centre))
    return matrix


def _cubic(tenths: int) -> int:
    """Return 2000 times the kernel at that distance in tenths of a pixel."""
    if tenths <= 10:
        return 3 * tenths**3 - 50 * tenths**2 + 2000
    return -(tenths**3) + 50 * tenths**2 - 800 * tenths + 4000 if tenths < 20 else 0

from __future__ import annotations

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits as raw_digits

from kshot_viz.data.load_dataset import load_digits


def test_frame_and_counts() -> None:
    data = load_digits()
    assert data.images.shape == (1797, 28, 28, 1)
    assert data.images.dtype == np.uint8
    assert data.classes == tuple("0123456789")
    frame = data.images.copy()
    frame[:, 4:24, 4:24] = 0
    assert frame.max() == 0


def test_fingerprint_is_pinned() -> None:
    assert load_digits().fingerprint.startswith("c826511338fb")


def test_agrees_with_pillow_inside() -> None:
    """Pillow's bicubic filter is the same kernel; only its borders are handled otherwise."""
    small = raw_digits().images[:20].astype(np.float32)
    for i, ours in enumerate(load_digits().images[:20, 4:24, 4:24, 0]):
        theirs = np.asarray(Image.fromarray(small[i]).resize((20, 20), Image.Resampling.BICUBIC))
        inner = (slice(4, 16), slice(4, 16))
        wanted = np.clip(theirs * 255 / 16, 0, 255)[inner]
        assert np.abs(wanted - ours.astype(float)[inner]).max() <= 0.51

"""Thumbnails on a transparent ground: nearest pixels, and one decoding for a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kshot_viz.data.image_files import ImageFiles
from kshot_viz.errors import KShotValueError
from kshot_viz.models.inputs.prepared_files import PreparedFiles
from kshot_viz.viz.style import thumbnails
from kshot_viz.viz.style.thumbnails import transparent_thumbnail

SHAPES = [(5, 9, 3), (9, 5, 1), (28, 28, 1), (101, 37, 3), (1, 50, 3), (64, 200, 1)]


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def on_a_square(image: np.ndarray, side: int) -> np.ndarray:
    """Lay the whole image on a square first; what this gives is right, but takes the memory."""
    height, width, channels = image.shape
    longest = max(height, width)
    square = np.zeros((longest, longest, 4))
    top, left = (longest - height) // 2, (longest - width) // 2
    part = square[top : top + height, left : left + width]
    part[..., :3] = np.repeat(image, 3 // channels, axis=2).astype(np.float32) / np.float32(255)
    part[..., 3] = 1.0
    nearest = np.arange(side) * longest // side
    return square[np.ix_(nearest, nearest)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("side", [1, 3, 48])
def test_only_the_pixels_shown_are_taken(shape: tuple[int, ...], side: int) -> None:
    images = noise((2, *shape))
    np.testing.assert_array_equal(
        transparent_thumbnail(images, 1, side), on_a_square(images[1], side)
    )


def test_a_file_looks_like_its_pixels_and_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "KEPT", PreparedFiles())
    Image.fromarray(noise((20, 31, 3))).save(tmp_path / "a.png")
    files = ImageFiles((str(tmp_path / "a.png"),))
    shown = transparent_thumbnail(files, 0, 24)
    np.testing.assert_array_equal(shown, on_a_square(files[0], 24))
    monkeypatch.setattr(ImageFiles, "__getitem__", lambda self, index: pytest.fail("decoded"))
    monkeypatch.setattr(thumbnails, "slice_images", lambda images, start, stop: images)
    np.testing.assert_array_equal(transparent_thumbnail(files, 0, 24), shown)


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(KShotValueError, match="Rows of features"):
        transparent_thumbnail(np.zeros((2, 5), np.float32), 0, 8)
    with pytest.raises(KShotValueError, match="number 2 is none"):
        transparent_thumbnail(noise((2, 4, 4)), 2, 8)

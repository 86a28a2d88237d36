"""Pictures that look odd to a program, yet are fine: they work like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import picture
from PIL import Image

import kshot_viz as kv


def turned(image: Image.Image, path: Path) -> None:
    """Store the picture lying on its side, with the note that turns it back."""
    lying = image.transpose(Image.Transpose.ROTATE_90)
    exif = lying.getexif()
    exif[0x0112] = 6
    lying.save(path, exif=exif)


def sixteen_bit(image: Image.Image, path: Path) -> None:
    Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(path)


ODD: dict[str, Callable[[Image.Image, Path], None]] = {
    "grey": lambda image, path: image.convert("L").save(path),
    "grey with alpha": lambda image, path: image.convert("LA").save(path),
    "RGBA": lambda image, path: image.convert("RGBA").save(path),
    "palette": lambda image, path: image.quantize(64).save(path),
    "16-bit grey": sixteen_bit,
    "turned by EXIF": turned,
    "one bit": lambda image, path: image.convert("1").save(path),
    "JPEG": lambda image, path: image.save(path.with_suffix(".jpg")),
    "CMYK": lambda image, path: image.convert("CMYK").save(path.with_suffix(".jpg")),
    "capital ending": lambda image, path: image.save(path.with_suffix(".PNG")),
    "another size": lambda image, path: image.resize((31, 17)).save(path),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_pictures_work_like_any_other(world, kind):
    for path in sorted((world.pictures / "bee").iterdir()):
        with Image.open(path) as image:
            image.load()
        path.unlink()
        ODD[kind](image, path)
    data = world.load()
    assert data.counts() == {"ape": 16, "bee": 16, "cat": 16}
    episode = kv.sample_episodes(data, way=3, shot=2, query=5, n=1, val_share=0.0)[0]
    grouped = kv.Candidate(kv.GroupingRule(n_groups=0.25), kv.FinetuneConfig(steps=2))
    row = kv.evaluate(world.glyphnet(), data, [episode], [grouped]).iloc[0]
    assert row.status == "ok"
    assert len(row.predicted) == 15


def test_a_turned_picture_is_seen_upright(world):
    image = picture(1, 5)
    turned(image, world.pictures / "bee" / "03.png")
    seen = world.load().images[16 + 3]
    np.testing.assert_array_equal(seen, np.asarray(image))


def test_a_deep_scan_is_seen_as_its_eight_bit_twin(world):
    image = picture(1, 5)
    sixteen_bit(image, world.file)
    seen = world.load().images[16 + 3]
    np.testing.assert_array_equal(seen[:, :, 0], np.asarray(image.convert("L")))

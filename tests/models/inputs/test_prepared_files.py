"""Files are prepared one by one and decoded once; the bits are those of the whole batch."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from kshot_viz.data import images as conversion
from kshot_viz.data.image_files import ImageFiles
from kshot_viz.data.images import unit_batches
from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.models.inputs import preprocess as preprocess_module
from kshot_viz.models.inputs.example import apply_preprocess
from kshot_viz.models.inputs.prepared_files import PreparedFiles
from kshot_viz.models.inputs.preprocess import RECIPES, Preprocess

HOW = [
    Preprocess(size=12),
    Preprocess(size=12, channels="L", mean=(0.4,), std=(0.2,)),
    Preprocess(size=12, resize="crop", short_side=14, channels="BGR", scale=255.0),
    Preprocess(size=40, interpolation="bicubic", antialias=False, invert=True),
    Preprocess(size=20, resize="crop", mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)),
]


def noise(seed: int, size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> PreparedFiles:
    own = PreparedFiles()
    monkeypatch.setattr(preprocess_module, "KEPT", own)
    return own


@pytest.fixture(params=["one size", "many sizes"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> ImageFiles:
    for i in range(5):
        size = (24, 20) if request.param == "one size" else (20 + 3 * i, 31 - 2 * i)
        noise(i, size).save(tmp_path / f"{i}.png")
    return ImageFiles(tuple(str(tmp_path / f"{i}.png") for i in range(5)))


def same_bits(one: Tensor, two: Tensor) -> bool:
    """Compare values, and the order in memory that convolutions look at."""
    return torch.equal(one, two) and one.stride() == two.stride()


@pytest.mark.parametrize("how", HOW)
def test_files_are_prepared_as_the_decoded_batch_is(files: ImageFiles, how: Preprocess) -> None:
    decoded = [files[i] for i in range(5)]
    whole = how(decoded)
    first, again = how(files), how(files)
    assert same_bits(first, whole)
    assert same_bits(again, whole)
    assert same_bits(how(files[np.array([3, 1])]), whole[[3, 1]].contiguous())


@pytest.mark.parametrize("how", [*HOW, Preprocess(), None, lambda batch: batch * 2 - 1])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("form", ["PIL", "uint8", "float", "channels last", "bytes"])
def test_a_large_batch_is_prepared_image_by_image_to_the_same_bits(
    how: Any, mode: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [noise(i, (24, 20), mode) for i in range(4)]
    stack = np.stack([np.asarray(one) for one in pictures])
    stack = stack.reshape(*stack.shape[:3], -1)
    unit = torch.from_numpy(stack.astype(np.float32) / 255).permute(0, 3, 1, 2)
    batch = {
        "PIL": pictures,
        "uint8": stack,
        "float": unit.contiguous().numpy(),
        "channels last": unit,
        "bytes": torch.from_numpy(stack).permute(0, 3, 1, 2).contiguous(),
    }[form]
    whole = apply_preprocess(how, batch)
    monkeypatch.setattr(conversion, "WHOLE_BYTES", 1)
    assert {len(part) for part in unit_batches(batch)} == {1}
    assert same_bits(apply_preprocess(how, batch), whole)


def test_a_small_batch_is_converted_at_once_and_a_large_one_in_part() -> None:
    assert [tuple(part.shape) for part in unit_batches(np.zeros((3, 4, 4), np.uint8))] == [
        (3, 1, 4, 4)
    ]
    rows = np.zeros((7, 3), np.float32)
    assert [tuple(part.shape) for part in unit_batches(rows)] == [(7, 3)]
    with pytest.raises(KShotValueError, match="empty batch"):
        next(unit_batches([]))


def counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    from kshot_viz.data import image_files

    seen: list[str] = []
    read = image_files.read_pixels

    def read_pixels(path: str, **options: Any) -> np.ndarray:
        seen.append(Path(path).name)
        return read(path, **options)

    monkeypatch.setattr(image_files, "read_pixels", read_pixels)
    return seen


def test_each_file_is_decoded_once(files: ImageFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = counting(monkeypatch)
    for _ in range(3):
        HOW[0](files[:4])
    HOW[0](files)
    assert seen == [f"{i}.png" for i in range(5)]
    Preprocess(size=12)(files)
    assert len(seen) == 5
    HOW[1](files)
    assert len(seen) == 10


def test_a_changed_file_is_decoded_again(files: ImageFiles) -> None:
    before = HOW[0](files)
    noise(99, (24, 20)).save(files.paths[2])
    os.utime(files.paths[2], ns=(1, 1))
    after = HOW[0](files)
    assert not torch.equal(before[2], after[2])
    assert torch.equal(before[:2], after[:2])
    Path(files.paths[2]).unlink()
    with pytest.raises(KShotFileError, match=r"2\.png"):
        HOW[0](files)


def test_a_full_ring_forgets_the_oldest(files: ImageFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    how, nbytes = HOW[0], 3 * 12 * 12 * 4
    whole = how([files[i] for i in range(5)])
    ring = PreparedFiles(most_bytes=2 * nbytes + 1)
    monkeypatch.setattr(preprocess_module, "KEPT", ring)
    seen = counting(monkeypatch)
    order = [0, 1, 0, 1, 2, 2, 1, 0, 3, 4, 4, 3, 2, 0]
    for i in order:
        assert torch.equal(how(files[i : i + 1])[0], whole[i])
    # Images of different sizes share the ring.
    for i in (0, 1, 2, 3):
        HOW[4](files[i : i + 1])
        assert torch.equal(how(files[i : i + 1])[0], whole[i])
    assert seen[:7] == ["0.png", "1.png", "2.png", "0.png", "3.png", "4.png", "2.png"]
    assert ring._file.seek(0, os.SEEK_END) <= 2 * nbytes + 1


def test_an_image_larger_than_the_ring_is_not_kept(files: ImageFiles) -> None:
    ring = PreparedFiles(most_bytes=10)
    for _ in range(2):
        assert len(list(ring.batches(files, "how", lambda image: image))) == 5
    assert ring._file is None


def test_a_full_disk_only_costs_time(files: ImageFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    assert torch.equal(HOW[0](files), HOW[0]([files[i] for i in range(5)]))


def test_sizes_that_differ_without_a_size_are_still_an_error(tmp_path: Path) -> None:
    for i, size in enumerate([(5, 6), (8, 7)]):
        noise(i, size).save(tmp_path / f"{i}.png")
    files = ImageFiles(tuple(str(tmp_path / f"{i}.png") for i in range(2)))
    with pytest.raises(KShotValueError, match="different sizes"):
        Preprocess()(files)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_cache_of_its_own(tmp_path: Path) -> None:
    files = ImageFiles(tuple(str(tmp_path / f"{i}.png") for i in range(5)))
    for i, path in enumerate(files.paths):
        noise(i, (24, 20)).save(path)
    code = f"""
    import os, sys, torch
    from kshot_viz.data.image_files import ImageFiles
    from kshot_viz.models.inputs.prepared_files import KEPT
    from kshot_viz.models.inputs.preprocess import Preprocess
    files, how = ImageFiles({files.paths!r}), Preprocess(size=12)
    whole = how(files)
    child = os.fork()
    if child == 0:
        fine = not KEPT._entries and torch.equal(how(files[::-1]), whole.flip(0))
        os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert torch.equal(how(files), whole) and len(KEPT._entries) == 5
    """
    subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)], check=True, timeout=120
    )


@pytest.mark.slow
def test_photographs_are_never_held_together(tmp_path: Path) -> None:
    """Sixteen photographs of 4 megapixels: 768 MB as floats, 48 MB one at a time."""
    for i in range(16):
        Image.new("RGB", (2300, 1750), (i, 90, 200)).save(tmp_path / f"{i:02}.jpg")
    code = f"""
    import resource, sys
    from pathlib import Path
    from PIL import Image
    from kshot_viz.data.image_files import ImageFiles
    from kshot_viz.data.file_checks import check_files
    from kshot_viz.data.images import image_digests
    from kshot_viz.models.inputs.preprocess import RECIPES
    paths = sorted(Path({str(tmp_path)!r}).iterdir())
    files, how = ImageFiles(tuple(map(str, paths))), RECIPES["imagenet"]
    how(files[:1])
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    before = peak()
    assert not any(one.problem for one in check_files(paths))
    assert how(files).shape == (16, 3, 224, 224)
    image_digests(files)
    how([files[i] for i in range(2)] * 8)
    print(peak() - before)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    assert float(done.stdout) < 400


def test_the_recipe_is_the_key() -> None:
    assert hash(RECIPES["imagenet"]) == hash(RECIPES["imagenet"].with_size(224))

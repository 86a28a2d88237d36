"""Folders that hold more than images: pipes, sockets, circles, other encodings, huge pictures."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kshot_viz.data import file_checks
from kshot_viz.data.file_checks import PixelBound, check_files
from kshot_viz.data.image_files import ImageFiles
from kshot_viz.data.load_dataset import load_dataset
from kshot_viz.data.pixels import MAX_PIXELS, read_pixels
from kshot_viz.errors import KShotFileError, KShotValueError

posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX files")


def picture(seed: int, size: tuple[int, int] = (8, 6)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for c, name in enumerate(["cat", "dog"]):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(3):
            picture(10 * c + i).save(tmp_path / "pets" / name / f"{i}.png")
    return tmp_path / "pets"


def bound_socket(path: Path) -> None:
    # The address of a socket may have about a hundred letters; a path relative to it is short.
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


@posix
@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "socket", "device", "circle"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_no_file_is_named_and_never_waited_for(root: Path, kind: str) -> None:
    odd = root / "dog" / "odd.png"
    if kind == "pipe":
        os.mkfifo(odd)
    elif kind == "link to a pipe":
        os.mkfifo(root.parent / "pipe")
        odd.symlink_to(root.parent / "pipe")
    elif kind == "socket":
        bound_socket(odd)
    elif kind == "device":
        odd.symlink_to(os.devnull)
    else:
        odd.symlink_to(odd)
    with pytest.raises(KShotFileError, match=r"odd\.png.*--skip-bad"):
        load_dataset(root)
    data = load_dataset(root, skip_bad=True)
    assert data.notes["skipped"] == "dog/odd.png"
    assert len(data) == 6


@posix
def test_a_file_that_becomes_a_pipe_is_an_error(root: Path) -> None:
    data = load_dataset(root)
    path = Path(data.images.paths[0])
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(KShotFileError, match="pipe"):
        data.images[0]


@posix
def test_folders_called_like_images_and_links_in_a_circle(root: Path) -> None:
    (root / "dog" / "album.png").mkdir()
    picture(77).save(root / "dog" / "album.png" / "x.png")
    (root / "dog" / "again").symlink_to(root / "dog")
    (root / "loop").symlink_to(root / "loop")
    data = load_dataset(root)
    assert data.counts() == {"cat": 3, "dog": 4}


@pytest.mark.parametrize("which", ["root", "class"])
def test_a_folder_that_may_not_be_read_is_named(
    root: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = root if which == "root" else root / "dog"
    whole = os.scandir

    def scandir(path: object = ".") -> object:
        if Path(os.fspath(path)) == closed:  # type: ignore[call-overload]
            raise PermissionError(errno.EACCES, "Permission denied")
        return whole(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(Path, "iterdir", lambda self: (self / e.name for e in os.scandir(self)))
    with pytest.raises(KShotFileError, match=f"{closed.name}' cannot be read: Permission denied"):
        load_dataset(root)


@posix
def test_names_that_are_not_utf_8(root: Path) -> None:
    latin = os.fsdecode(b"caf\xe9")
    try:
        (root / "dog" / "0.png").rename(root / "dog" / f"{latin}.png")
    except OSError:
        pytest.skip("this file system only takes UTF-8")
    assert load_dataset(root).counts() == {"cat": 3, "dog": 3}
    (root / "dog" / f"{latin}2.png").write_bytes(b"")
    skipped = load_dataset(root, skip_bad=True).notes["skipped"]
    assert skipped == r"dog/caf\xe92.png"
    with pytest.raises(KShotFileError) as caught:
        load_dataset(root)
    str(caught.value).encode()
    (root / "dog").rename(root / latin)
    with pytest.raises(KShotFileError, match=r"class folder .* is not UTF-8.*rename it"):
        load_dataset(root)
    renamed = root.rename(root.parent / latin)
    (renamed / latin).rename(renamed / "dog")
    assert load_dataset(renamed, skip_bad=True).name == r"caf\xe9"


# --- large pictures ------------------------------------------------------------------------------


def test_a_picture_of_too_many_pixels_is_an_error_until_more_are_allowed(root: Path) -> None:
    Image.new("L", (60, 50)).save(root / "dog" / "huge.png")
    with pytest.raises(
        KShotFileError, match=r"huge\.png.*60 x 50 pixels; at most 2,999.*max_pixels"
    ):
        load_dataset(root, max_pixels=2999)
    assert len(load_dataset(root, max_pixels=2999, skip_bad=True)) == 6
    data = load_dataset(root, max_pixels=3000)
    assert len(data) == 7
    assert data.take([0]).images.max_pixels == 3000
    with pytest.raises(KShotValueError, match="`max_pixels`"):
        load_dataset(root, max_pixels=0)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [12_000, 20_000])
def test_a_bomb_is_refused_before_it_is_decoded(root: Path, side: int) -> None:
    path = root / "dog" / "bomb.png"
    Image.new("1", (side, side)).save(path)
    assert path.stat().st_size < 100_000
    with pytest.raises(KShotFileError, match=f"at most {MAX_PIXELS:,}"):
        read_pixels(path)


def test_a_larger_limit_also_raises_pillows(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    files = ImageFiles((str(root / "dog" / "0.png"),), max_pixels=48)
    assert files[0].shape == (6, 8, 3)
    assert Image.MAX_IMAGE_PIXELS == 48
    with pytest.raises(KShotFileError, match="at most 47"):
        ImageFiles(files.paths, max_pixels=47)[0]


def test_threads_hold_only_so_many_pixels() -> None:
    bound, held, most = PixelBound(10), 0, 0
    lock = threading.Lock()

    def work(pixels: int) -> None:
        nonlocal held, most
        with bound.turn(pixels):
            with lock:
                held += min(pixels, 10)
                most = max(most, held)
            time.sleep(0.005)
            with lock:
                held -= min(pixels, 10)

    threads = [threading.Thread(target=work, args=(n,)) for n in (4, 4, 4, 99, 3, 10, 1, 4, 4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=20)
    assert not any(one.is_alive() for one in threads)
    assert 0 < most <= 10


def test_an_image_larger_than_the_bound_is_checked_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_checks, "PIXELS_AT_ONCE", 10)
    found = check_files(sorted((root / "dog").iterdir()) * 5)
    assert not any(one.problem for one in found)


# --- frames --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tiff"])
def test_of_several_frames_the_first_is_seen(root: Path, ending: str) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue", "lime")]
    path = root / "dog" / f"moving.{ending}"
    lossless = {"lossless": True} if ending == "webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **lossless)
    assert read_pixels(path)[0, 0].tolist() == [255, 0, 0]
    assert len(load_dataset(root)) == 7


def test_a_palette_with_alpha_is_laid_on_white(root: Path) -> None:
    clear = Image.new("RGBA", (8, 6), (10, 20, 30, 0)).quantize(4)
    clear.save(root / "dog" / "clear.png")
    assert read_pixels(root / "dog" / "clear.png").min() == 255


def test_a_missing_file_and_an_odd_name_are_file_errors(tmp_path: Path) -> None:
    with pytest.raises(KShotFileError, match=r"none\.png.*No such file"):
        read_pixels(tmp_path / "none.png")
    with pytest.raises(KShotFileError, match="null"):
        read_pixels("a\0b.png")

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from kshot_viz.errors import KShotFileError, KShotKeyError
from kshot_viz.viz.style.canvas import save_figure, to_png, write_file


def drawn(**options: object) -> Figure:
    figure = Figure(figsize=(2, 1), **options)
    figure.add_subplot().plot([0, 1, 3])
    return figure


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_the_picture_has_the_size_asked_for() -> None:
    assert opened(to_png(drawn())).size == (200, 100)
    assert opened(to_png(drawn(), dpi=50)).size == (100, 50)


@pytest.mark.parametrize("face", ["none", (1.0, 0.0, 0.0, 0.0), "white"])
def test_the_ground_is_solid(face: object) -> None:
    pixels = np.asarray(opened(to_png(drawn(facecolor=face))).convert("RGBA"))
    assert (pixels[..., 3] == 255).all()
    assert pixels[0, 0].tolist() == [255, 255, 255, 255]


def test_a_users_dark_ground_stays() -> None:
    picture = opened(to_png(drawn(facecolor="#102030"))).convert("RGB")
    assert picture.getpixel((0, 0)) == (0x10, 0x20, 0x30)


def test_axes_stand_for_their_figure_and_the_same_figure_gives_the_same_bytes() -> None:
    figure = drawn()
    assert to_png(figure.axes[0]) == to_png(figure) == to_png(drawn())


def test_nothing_about_the_program_is_in_the_file() -> None:
    assert b"matplotlib" not in to_png(drawn()).lower()


def test_threads_draw_what_one_thread_draws() -> None:
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(lambda _: to_png(drawn()), range(12)))
    assert set(pictures) == {to_png(drawn())}


@pytest.mark.parametrize(
    ("suffix", "start"),
    [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89")],
)
def test_the_suffix_chooses_the_format(tmp_path: Path, suffix: str, start: bytes) -> None:
    path = save_figure(drawn().axes[0], tmp_path / "new" / f"figure.{suffix}")
    assert path.read_bytes().startswith(start)
    assert list(path.parent.iterdir()) == [path]


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KShotKeyError, match=r"suffix of path.*'\.png'.*not '\.bmp'"):
        save_figure(drawn(), tmp_path / "figure.bmp")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(KShotFileError, match="cannot be written"):
        write_file(tmp_path / "file" / "figure.png", b"")

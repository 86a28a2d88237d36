from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kshot_viz.data.episodes import sample_episodes
from kshot_viz.data.folder import load_folder
from kshot_viz.data.images import to_unit
from kshot_viz.data.load_dataset import load_dataset
from kshot_viz.errors import KShotFileError, KShotValueError


def picture(seed: int, size: tuple[int, int] = (8, 6)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "pets"
    for c, name in enumerate(["dog", "cat"]):
        (folder / name).mkdir(parents=True)
        for i in range(8):
            picture(100 * c + i).save(folder / name / f"{i}.png")
    return folder


def cut_off(path: Path) -> None:
    picture(7, (64, 64)).save(path, quality=95)
    path.write_bytes(path.read_bytes()[:900])


def test_classes_are_sorted_and_files_stay_on_disk(root: Path) -> None:
    data = load_folder(root)
    assert data.classes == ("cat", "dog")
    assert data.counts() == {"cat": 8, "dog": 8}
    assert data.name == "pets"
    assert data.images[0].shape == (6, 8, 3)
    assert "files" in repr(data)
    assert str(root) not in "".join(data.notes.values())


def test_png_pixels_arrive_unchanged(root: Path) -> None:
    data = load_folder(root)
    np.testing.assert_array_equal(data.images[0], np.asarray(Image.open(root / "cat" / "0.png")))


def test_fingerprint_does_not_depend_on_the_path(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "elsewhere" / "pets2")
    moved = load_folder(tmp_path / "elsewhere" / "pets2")
    assert moved.fingerprint == load_folder(root).fingerprint
    picture(999).save(root / "dog" / "3.png")
    assert moved.fingerprint != load_folder(root).fingerprint


def test_hidden_and_other_files_are_ignored(root: Path) -> None:
    before = load_folder(root).fingerprint
    (root / "cat" / "notes.txt").write_text("x")
    (root / "cat" / ".hidden.png").write_text("x")
    (root / ".cache").mkdir()
    (root / "readme.md").write_text("x")
    assert load_folder(root).fingerprint == before


def test_folders_inside_a_class_belong_to_it(root: Path) -> None:
    (root / "cat" / "more").mkdir()
    picture(55).save(root / "cat" / "more" / "9.PNG")
    assert load_folder(root).counts()["cat"] == 9


def test_sizes_may_differ(root: Path) -> None:
    picture(1, (20, 10)).save(root / "cat" / "9.png")
    batch = to_unit(load_folder(root))
    assert isinstance(batch, list)
    assert tuple(batch[8].shape) == (3, 10, 20)


def test_a_copy_of_a_file_is_one_image(root: Path) -> None:
    shutil.copy(root / "cat" / "0.png", root / "cat" / "copy.png")
    Image.open(root / "cat" / "0.png").save(root / "dog" / "same.bmp")
    data = load_folder(root)
    assert len(set(data.digests)) == len(data) - 2
    for episode in sample_episodes(data, way=2, shot=1, n=20, val_share=0.0, min_query=1):
        support, query = episode.split(data)
        assert not set(support.digests) & set(query.digests)


def test_pickle_is_small_and_works(root: Path) -> None:
    data = load_folder(root).take([0, 9])
    again = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(again.images[1], data.images[1])
    assert len(pickle.dumps(data)) < 3000


@pytest.mark.parametrize("kind", ["truncated", "empty", "text", "broken link"])
def test_bad_files_are_named_and_can_be_skipped(root: Path, kind: str) -> None:
    bad = root / "dog" / "bad.jpg"
    if kind == "truncated":
        cut_off(bad)
    elif kind == "broken link":
        bad.symlink_to(root / "nothing.jpg")
    else:
        bad.write_bytes(b"" if kind == "empty" else b"hello")
    with pytest.raises(KShotFileError, match=r"bad\.jpg.*--skip-bad"):
        load_dataset(root)
    data = load_dataset(root, skip_bad=True)
    assert len(data) == 16
    assert data.notes["skipped"] == "dog/bad.jpg"


def test_several_bad_files_are_counted(root: Path) -> None:
    for name in ("x.jpg", "y.jpg"):
        cut_off(root / "dog" / name)
    with pytest.raises(KShotFileError, match=r"x\.jpg.*1 more: dog/y\.jpg"):
        load_folder(root)


def test_one_class_is_an_error(root: Path) -> None:
    shutil.rmtree(root / "dog")
    with pytest.raises(KShotFileError, match="at least two class folders; it has only 'cat'"):
        load_folder(root)
    shutil.rmtree(root / "cat")
    with pytest.raises(KShotFileError, match="it has none"):
        load_folder(root)


def test_an_empty_class_is_named(root: Path) -> None:
    (root / "bird").mkdir()
    with pytest.raises(KShotFileError, match="bird"):
        load_folder(root)
    cut_off(root / "bird" / "only.jpg")
    with pytest.raises(KShotFileError, match=r"bird.*readable"):
        load_folder(root, skip_bad=True)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(KShotFileError, match="nowhere"):
        load_folder(tmp_path / "nowhere")


def test_too_few_images_names_the_class(root: Path) -> None:
    (root / "dog" / "0.png").unlink()
    with pytest.raises(KShotValueError, match=r"'dog' of 'pets' has 7 images"):
        sample_episodes(load_folder(root), way=2, shot=3, val_share=0.0)


def test_every_kind_of_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    folder = tmp_path / "a"
    Image.fromarray(np.full((6, 8), 65535, np.uint16)).save(folder / "deep.png")
    Image.new("L", (8, 6), 200).save(folder / "grey.png")
    Image.new("LA", (8, 6), (0, 0)).save(folder / "grey_alpha.png")
    Image.new("RGBA", (8, 6), (0, 0, 0, 0)).save(folder / "clear.png")
    Image.new("CMYK", (8, 6)).save(folder / "print.jpg")
    Image.new("RGB", (8, 6), (51, 102, 153)).convert("P").save(folder / "palette.gif")
    turned = Image.new("RGB", (8, 6))
    exif = turned.getexif()
    exif[0x0112] = 8
    turned.save(folder / "turned.jpg", exif=exif)
    picture(3).save(tmp_path / "b" / "x.webp")
    data = load_folder(tmp_path)
    by_name = {Path(p).stem: data.images[i] for i, p in enumerate(data.images.paths)}
    assert by_name["deep"].min() == 255
    assert set(by_name["grey"].ravel().tolist()) == {200}
    assert by_name["clear"].min() == by_name["grey_alpha"].min() == 255
    assert by_name["print"].min() == 255
    assert by_name["palette"][0, 0].tolist() == [51, 102, 153]
    assert by_name["turned"].shape == (8, 6, 3)
    assert all(image.shape[2] == 3 for image in by_name.values())

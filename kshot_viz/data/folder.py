"""Folders of images: one folder per class, or images without classes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kshot_viz.data.dataset import ImageDataset, ImageFiles, content_fingerprint
from kshot_viz.data.pixels import digest, read_pixels
from kshot_viz.errors import KShotFileError
from kshot_viz.records import content_digest

UNLABELLED = "unlabelled"


@dataclass(frozen=True)
class CheckedFile:
    """The result of decoding one file: hashes of its bytes and pixels, or the problem."""

    content: str = ""
    pixels: str = ""
    problem: str = ""


def load_folder(path: str | Path, *, skip_bad: bool = False) -> ImageDataset:
    """Load a folder of class folders; images stay on disk and are decoded when needed.

    Every image is decoded once here, in threads, to find broken files now and duplicates later.
    Folders inside a class folder belong to that class; hidden files and files that are no images
    by their extension are ignored.

    Parameters
    ----------
    path : str or pathlib.Path
        The folder; the names of its folders are the class names, in sorted order.
    skip_bad : bool, default False
        Go on without images that cannot be read (``--skip-bad`` on the command line); their names
        are in ``notes["skipped"]``.

    Raises
    ------
    KShotFileError
        If there are fewer than two class folders, a class has no image, or (without ``skip_bad``)
        an image cannot be read; names the folder or the file.
    """
    root = Path(path).absolute()
    folders = _class_folders(root)
    files = [(file, c) for c, folder in enumerate(folders) for file in image_files(folder)]
    _check_classes(folders, [c for _, c in files], "an image file")
    names = [folder.name for folder in folders]
    data = _readable(root, files, names, skip_bad, "folder of class folders")
    _check_classes(folders, data.targets.tolist(), "a readable image")
    return data


def load_unlabelled(path: str | Path, *, skip_bad: bool = False) -> ImageDataset:
    """Load every image below a folder as one class, ``"unlabelled"``, to form groups from.

    Parameters
    ----------
    path : str or pathlib.Path
        A folder of images; folders inside it are searched too.
    skip_bad : bool
        Go on without images that cannot be read.

    Raises
    ------
    KShotFileError
        If the folder is missing or holds no readable image, or an image cannot be read.
    """
    root = Path(path).absolute()
    files = [(file, 0) for file in image_files(root)] if root.is_dir() else []
    data = _readable(root, files, [UNLABELLED], skip_bad, "folder of images")
    if not len(data):
        raise KShotFileError(f"{str(root)!r} is no folder with readable images.")
    return data


def _readable(
    root: Path,
    files: Sequence[tuple[Path, int]],
    classes: Sequence[str],
    skip_bad: bool,
    source: str,
) -> ImageDataset:
    """Build the data set of files and their classes, without those that cannot be read."""
    checked = check_files([file for file, _ in files])
    bad = [i for i, state in enumerate(checked) if state.problem]
    if bad and not skip_bad:
        raise _bad_files(root, [files[i][0] for i in bad], checked[bad[0]].problem)
    kept = [i for i, state in enumerate(checked) if not state.problem]
    skipped = "; ".join(files[i][0].relative_to(root).as_posix() for i in bad)
    return files_dataset(
        [files[i][0] for i in kept],
        np.array([files[i][1] for i in kept], dtype=np.int64),
        classes,
        [checked[i] for i in kept],
        name=root.name,
        notes={"source": source} | ({"skipped": skipped} if skipped else {}),
    )


def check_files(paths: Sequence[Path]) -> list[CheckedFile]:
    """Decode every file once, in threads; one :class:`CheckedFile` for each, never an error."""
    with ThreadPoolExecutor(max_workers=min(8, (os.cpu_count() or 1) + 2)) as pool:
        return list(pool.map(_check_file, paths))


def files_dataset(
    paths: Sequence[Path],
    targets: np.ndarray,
    classes: Sequence[str],
    checked: Sequence[CheckedFile],
    *,
    name: str,
    notes: dict[str, str],
) -> ImageDataset:
    """Build the data set of checked files; the fingerprint is made of the files' bytes."""
    return ImageDataset(
        images=ImageFiles(tuple(map(str, paths))),
        targets=targets,
        classes=tuple(classes),
        name=name,
        digests=tuple(state.pixels for state in checked),
        fingerprint=content_fingerprint(classes, targets, [state.content for state in checked]),
        notes=notes,
    )


def _check_file(path: Path) -> CheckedFile:
    try:
        content = content_digest([path.read_bytes()])
        return CheckedFile(content, digest(read_pixels(path)))
    except (OSError, KShotFileError) as error:
        return CheckedFile(problem=str(error))


def _class_folders(root: Path) -> list[Path]:
    if not root.is_dir():
        raise KShotFileError(f"{str(root)!r} is not a folder; allowed: one folder per class in it.")
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(folders) < 2:
        found = f"only {folders[0].name!r}" if folders else "none"
        raise KShotFileError(
            f"the folder {str(root)!r} must hold at least two class folders; it has {found}. "
            f"For images without classes: load_dataset(..., labelled=False)."
        )
    return folders


def image_files(folder: Path) -> Iterator[Path]:
    """Yield the image files below a folder in sorted order, hidden ones left out."""
    extensions = _extensions()
    for path in sorted(folder.rglob("*"), key=lambda p: p.relative_to(folder).as_posix()):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in extensions and not hidden and not path.is_dir():
            yield path


def _extensions() -> set[str]:
    return {e for e, form in Image.registered_extensions().items() if form in Image.OPEN}


def _check_classes(folders: Sequence[Path], found: Sequence[int], what: str) -> None:
    present = set(found)
    for c, folder in enumerate(folders):
        if c not in present:
            raise KShotFileError(
                f"the class folder {str(folder)!r} does not hold {what}; add some or remove it."
            )


def _bad_files(root: Path, bad: Sequence[Path], problem: str) -> KShotFileError:
    others = [path.relative_to(root).as_posix() for path in bad[1:9]]
    more = f"; and {len(bad) - 1} more: {', '.join(others)}" if others else ""
    return KShotFileError(f"{problem}{more}. `skip_bad=True` (--skip-bad) goes on without them.")

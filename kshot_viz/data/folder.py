"""Folders of images: one folder per class, or images without classes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kshot_viz.data.class_texts import folder_of_classes
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.file_checks import CheckedFile, check_files
from kshot_viz.data.fingerprint import content_fingerprint, pixel_fingerprint
from kshot_viz.data.image_files import ImageFiles
from kshot_viz.data.pixels import MAX_PIXELS
from kshot_viz.errors import KShotFileError, KShotValueError

UNLABELLED = "unlabelled"


def load_folder(
    path: str | Path, *, skip_bad: bool = False, max_pixels: int = MAX_PIXELS
) -> ImageDataset:
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
    max_pixels : int, default 89478485
        Larger images count as unreadable; a higher limit also raises Pillow's own, which is one
        for the whole process.

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
    data = _readable(root, files, names, skip_bad, max_pixels)
    _check_classes(folders, data.targets.tolist(), "a readable image")
    return data


def load_unlabelled(
    path: str | Path, *, skip_bad: bool = False, max_pixels: int = MAX_PIXELS
) -> ImageDataset:
    """Load every image below a folder as one class, ``"unlabelled"``, to form groups from.

    Parameters
    ----------
    path : str or pathlib.Path
        A folder of images; folders inside it are searched too.
    skip_bad : bool
        Go on without images that cannot be read.
    max_pixels : int
        As in :func:`load_folder`.

    Raises
    ------
    KShotFileError
        If the folder is missing or holds no readable image, or an image cannot be read.
    """
    root = Path(path).absolute()
    files = [(file, 0) for file in image_files(root)] if is_folder(root) else []
    data = _readable(root, files, [UNLABELLED], skip_bad, max_pixels)
    if not len(data):
        raise KShotFileError(f"{str(root)!r} is no folder with readable images.")
    return data


def _readable(
    root: Path,
    files: Sequence[tuple[Path, int]],
    classes: Sequence[str],
    skip_bad: bool,
    max_pixels: int,
) -> ImageDataset:
    """Build the data set of files and their classes, without those that cannot be read."""
    _check_limit(max_pixels)
    checked = check_files([file for file, _ in files], max_pixels=max_pixels)
    bad = [i for i, state in enumerate(checked) if state.problem]
    if bad and not skip_bad:
        raise _bad_files(root, [files[i][0] for i in bad], checked[bad[0]].problem)
    kept = [i for i, state in enumerate(checked) if not state.problem]
    skipped = "; ".join(shown_path(files[i][0].relative_to(root)) for i in bad)
    source = "folder of images" if classes == [UNLABELLED] else "folder of class folders"
    return files_dataset(
        [files[i][0] for i in kept],
        np.array([files[i][1] for i in kept], dtype=np.int64),
        classes,
        [checked[i] for i in kept],
        name=shown_path(Path(root.name)),
        notes={"source": source} | ({"skipped": skipped} if skipped else {}),
        max_pixels=max_pixels,
    )


def files_dataset(
    paths: Sequence[Path],
    targets: np.ndarray,
    classes: Sequence[str],
    checked: Sequence[CheckedFile],
    *,
    name: str,
    notes: dict[str, str],
    max_pixels: int = MAX_PIXELS,
) -> ImageDataset:
    """Build the data set of checked files; the fingerprint is made of the files' bytes."""
    return ImageDataset(
        images=ImageFiles(tuple(map(str, paths)), max_pixels),
        targets=targets,
        classes=tuple(classes),
        name=name,
        digests=tuple(state.pixels for state in checked),
        fingerprint=content_fingerprint(classes, targets, [state.content for state in checked]),
        pixel_fingerprint=pixel_fingerprint(
            classes, targets, [one.pixels for one in checked], [one.grey for one in checked]
        ),
        notes=notes,
    )


def _class_folders(root: Path) -> list[Path]:
    if not is_folder(root):
        raise KShotFileError(f"{str(root)!r} is not a folder; allowed: one folder per class in it.")
    try:
        folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as error:
        raise _no_access(root, error) from error
    if len(folders) < 2:
        found = f"only {folders[0].name!r}" if folders else "none"
        raise KShotFileError(
            f"the folder {str(root)!r} must hold at least two class folders; it has {found}. "
            f"Each class needs one; images without classes: load_dataset(..., labelled=False)."
        )
    for folder in folders:
        if shown_path(Path(folder.name)) != folder.name:
            raise KShotFileError(
                f"the name of the class folder {str(folder)!r} is not UTF-8, so it cannot be "
                f"written into tables as the name of a class; rename it."
            )
    return folders


def image_files(folder: Path) -> Iterator[Path]:
    """Yield the image files below a folder in sorted order, hidden ones left out.

    What is called like an image and is none (a broken link, a pipe) is among them; folders are not.
    """
    extensions = _extensions()
    for path in sorted(_below(folder), key=lambda p: p.relative_to(folder).as_posix()):
        if path.suffix.lower() in extensions:
            yield path


def _below(folder: Path) -> Iterator[Path]:
    """Yield what is no folder; links to folders are not followed, so that a circle ends."""
    coming = [folder]
    while coming:
        here = coming.pop()
        try:
            with os.scandir(here) as found:
                entries = [one for one in found if not one.name.startswith(".")]
        except OSError as error:
            raise _no_access(here, error) from error
        coming += [here / one.name for one in entries if one.is_dir(follow_symlinks=False)]
        yield from (here / one.name for one in entries if not is_folder(one))


def is_folder(path: object) -> bool:
    """Return whether there is a folder that can be seen, also through a link."""
    try:
        return Path(path).is_dir()  # type: ignore[arg-type]
    except (OSError, ValueError, TypeError):
        return False


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
    others = [shown_path(path.relative_to(root)) for path in bad[1:9]]
    more = f"; and {len(bad) - 1} more: {', '.join(others)}" if others else ""
    return KShotFileError(f"{problem}{more}. `skip_bad=True` (--skip-bad) goes on without them.")


def _no_access(folder: Path, error: OSError) -> KShotFileError:
    return KShotFileError(f"the folder {str(folder)!r} cannot be read: {error.strerror or error}.")


def shown_path(path: Path) -> str:
    """Return a path as text that can be printed and stored; bytes that are no UTF-8 are escaped."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _check_limit(max_pixels: int) -> None:
    whole = isinstance(max_pixels, int) and not isinstance(max_pixels, bool)
    if not whole or max_pixels < 1:
        raise KShotValueError(f"`max_pixels` must be a whole number >= 1; not {max_pixels!r}.")


def dataset_folder(data: ImageDataset) -> Path | None:
    """Return the folder of class folders that a data set was loaded from; None for others."""
    if not isinstance(data.images, ImageFiles) or not len(data):
        return None
    return folder_of_classes(data.images.paths, data.labels.tolist())

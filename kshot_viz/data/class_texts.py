"""Texts beside the class folders of a folder, which say what the classes are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from kshot_viz.data.image_files import ImageFiles
from kshot_viz.errors import KShotFileError
from kshot_viz.files import read_json

IN_ONE_FILE = "descriptions.json"
IN_CLASS_FOLDER = "class.txt"


def read_class_texts(folder: Path, classes: Iterable[str]) -> dict[str, str]:
    """Return class -> text, of what ``descriptions.json`` or the class folders say; may be empty.

    Raises
    ------
    KShotFileError
        For a file that cannot be read, or holds something else.
    """
    names = list(classes)
    together = folder / IN_ONE_FILE
    if together.is_file():
        found = read_json(together, called=f"The descriptions {together}")
        if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
            raise KShotFileError(f"The descriptions {together} must be one object, class -> text.")
        # Of a part of the classes: the others still have their folders, and so are no mistake.
        left_out = {one.name for one in folder.iterdir() if one.is_dir()} - set(names)
        return {name: text for name, text in found.items() if name not in left_out}
    return {name: text for name in names if (text := _text_of(folder, name)) is not None}


def texts_of_files(images: object, labels: Iterable[str], classes: Iterable[str]) -> dict[str, str]:
    """Return the texts beside the folders of image files, where each class has one; else nothing.

    What is wrong with them is said when somebody asks for descriptions, not when images are read.
    """
    folder = folder_of_classes(images.paths, labels) if isinstance(images, ImageFiles) else None
    if folder is None:
        return {}
    names = list(classes)
    try:
        found = read_class_texts(folder, names)
    except (KShotFileError, OSError):
        return {}
    whole = set(found) == set(names) and all(map(str.strip, found.values()))
    return {name: found[name] for name in names} if whole else {}


def folder_of_classes(files: Sequence[str], labels: Iterable[str]) -> Path | None:
    """Return the folder in which each file lies below a folder called like its label, or None."""
    if not files:
        return None
    paths = [Path(path) for path in files]
    try:
        common, names = Path(os.path.commonpath(files)), list(labels)
    except ValueError:  # Relative paths beside absolute ones, or files of two drives.
        return None
    for folder in (common, *common.parents):
        parts = [path.relative_to(folder).parts for path in paths]
        if all(len(p) > 1 and p[0] == name for p, name in zip(parts, names, strict=True)):
            return folder
    return None


def _text_of(folder: Path, name: str) -> str | None:
    for path in (folder / name / IN_CLASS_FOLDER, folder / f"{name}.txt"):
        if path.is_file():
            try:
                # Some editors put a byte order mark first.
                return path.read_text(encoding="utf-8-sig").strip()
            except (OSError, ValueError) as error:
                raise KShotFileError(f"The description {path} cannot be read: {error}.") from error
    return None

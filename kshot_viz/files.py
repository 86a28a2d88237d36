"""Atomic file writes, and JSON files."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from kshot_viz.errors import KShotFileError


@contextlib.contextmanager
def whole_file(target: Path, *, called: object = None) -> Iterator[Path]:
    """Yield a path to write to; the file there replaces the target at once when the block ends.

    Parameters
    ----------
    target : Path
        Its folder must exist when the block ends.
    called : object, optional
        Its name in errors; its path by default.

    Yields
    ------
    Path
        Beside ``target``. It is removed where the block fails, and ``target`` stays as it was.

    Raises
    ------
    KShotFileError
        If the block or the last step meets an ``OSError``.
    """
    # The process id, because two processes may write the same file at the same time.
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb+") as file:
            # Else the new name may reach the disk before the content does.
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        why = f"{called or target} cannot be written: {error.strerror or error}."
        raise KShotFileError(why) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def plain_name(name: str) -> bool:
    """Return whether a name from a file is one of its own folder, with no way out of it."""
    return name not in ("", ".", "..") and Path(name).name == name and "\\" not in name


def refuse_foreign(folder: Path, own: Collection[str], what: str) -> None:
    """Raise a KShotFileError, before anything is computed, where results would lie among others.

    Parameters
    ----------
    folder : Path
        It may be missing or empty, or hold results of the same kind.
    own : collection of str
        Names of which such a folder has one.
    what : str
        The kind of results.
    """
    if folder.exists() and not folder.is_dir():
        raise KShotFileError(f"A {what} is kept in a folder; {folder} is a file.")
    held = [] if not folder.is_dir() else [one.name for one in folder.iterdir()]
    if any(not one.startswith(".") for one in held) and not set(own) & set(held):
        raise KShotFileError(
            f"{folder} holds something else and no {what}. Choose another folder, or remove it."
        )


def made_folder(folder: Path) -> Path:
    """Make a folder where it is missing; one that cannot be made is a KShotFileError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KShotFileError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return folder


def write_json(path: str | Path, record: Any, *, indent: int | None = None) -> Path:
    """Write JSON; a reader never sees half a file."""
    target = Path(path)
    with whole_file(target) as part:
        part.write_text(json.dumps(record, indent=indent), encoding="utf-8")
    return target


def read_json(path: str | Path, *, called: object = None) -> Any:
    """Read JSON; a file that is missing, cut off or no JSON is a KShotFileError.

    Parameters
    ----------
    path : path
    called : object, optional
        Its name in errors; its path by default.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    # Thousands of brackets, one inside the other, are a RecursionError.
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise KShotFileError(f"{called or path} cannot be read: {error}.") from error

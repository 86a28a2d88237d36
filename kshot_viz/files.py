"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from kshot_viz.errors import KShotFileError


@contextlib.contextmanager
def whole_file(target: Path, *, called: object = None) -> Iterator[Path]:
    """Give a path to write to; what lies there at the end takes the target's place at once.

    Parameters
    ----------
    target : Path
        Its folder must be there when the block ends.
    called : object, optional
        How errors call it; by its path by default.

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
        part.replace(target)
    except OSError as error:
        why = f"{called or target} cannot be written: {error.strerror or error}."
        raise KShotFileError(why) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)

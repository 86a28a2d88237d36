"""Decode every file of a data set once, in threads that share a bound on pixels in memory."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kshot_viz.data.pixels import MAX_PIXELS, decode, digest, grey_digest, open_regular, pixel_count
from kshot_viz.errors import KShotFileError

# Four photographs of 12 megapixels: about 0.4 GB while they are decoded.
PIXELS_AT_ONCE = 48_000_000


@dataclass(frozen=True)
class CheckedFile:
    """The result of decoding one file: hashes of its bytes and pixels, or the problem.

    ``grey`` is the hash of its only channel, empty where the image has colour.
    """

    content: str = ""
    pixels: str = ""
    grey: str = ""
    problem: str = ""


def check_files(paths: Sequence[Path], *, max_pixels: int = MAX_PIXELS) -> list[CheckedFile]:
    """Decode every file once, in threads; one :class:`CheckedFile` for each, never an error.

    Parameters
    ----------
    paths : sequence of Path
    max_pixels : int
        An image of more pixels is a problem.
    """
    bound = PixelBound(PIXELS_AT_ONCE)

    def check(path: Path) -> CheckedFile:
        try:
            with open_regular(path) as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
                file.seek(0)
                with bound.turn(pixel_count(file, path, max_pixels)):
                    file.seek(0)
                    image = decode(file, path, max_pixels)
                    return CheckedFile(content, digest(image), grey_digest(image))
        except (OSError, KShotFileError) as error:
            return CheckedFile(problem=str(error))

    with ThreadPoolExecutor(max_workers=min(8, (os.cpu_count() or 1) + 2)) as pool:
        return list(pool.map(check, paths))


class PixelBound:
    """Lets threads hold only so many pixels together; a larger image goes alone."""

    def __init__(self, most: int) -> None:
        self._most = self._free = most
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, pixels: int) -> Iterator[None]:
        """Wait until ``pixels`` more may be held, and hold them inside the block."""
        share = min(pixels, self._most)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= share)
            self._free -= share
        try:
            yield
        finally:
            with self._changed:
                self._free += share
                self._changed.notify_all()

"""Prepared images of files, kept in a temporary file so that each is decoded once a process.

A photograph takes a tenth of a second to decode, and an image is drawn in many episodes. What is
kept is the small image that goes into the network, bit for bit. The file has no name, so that it is
gone with the process, however that ends; it is read, not mapped, so that it takes no memory of the
process.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kshot_viz.data.image_files import ImageFiles
from kshot_viz.data.images import unit_batches

# About 1,700 images of 224 x 224 px.
MOST_BYTES = 2**30


@dataclass(frozen=True)
class _Entry:
    offset: int
    shape: tuple[int, ...]
    nbytes: int


class PreparedFiles:
    """A ring of prepared images on disk: once it is full, the oldest are overwritten.

    Parameters
    ----------
    most_bytes : int
        Size of the file at most. An image larger than that is not kept.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._close: Callable[[], object] = lambda: None
        self.clear()

    def clear(self) -> None:
        """Forget everything and give the disk back."""
        self._close()
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._file: Any = None
        self._end = 0

    def batches(
        self, files: ImageFiles, how: Hashable, prepare: Callable[[Tensor], Tensor]
    ) -> Iterator[Tensor]:
        """Yield files one by one as ``prepare`` makes them of (1, C, H, W) in [0, 1].

        Parameters
        ----------
        files : ImageFiles
        how : hashable
            What ``prepare`` does, by value.
        prepare : function
            From one image in [0, 1] to one of float32.
        """
        for index in range(len(files)):
            key = how, *_identity(files.paths[index])
            found = self._read(key)
            if found is None:
                found = prepare(next(unit_batches(files[index : index + 1])))
                self._write(key, found)
            yield found

    def _read(self, key: Hashable) -> Tensor | None:
        with self._lock, contextlib.suppress(OSError):
            entry = self._entries.get(key)
            if entry is None:
                return None
            image = torch.empty(entry.shape, dtype=torch.float32)
            self._file.seek(entry.offset)
            if self._file.readinto(_memory(image)) == entry.nbytes:
                return image
        return None

    def _write(self, key: Hashable, image: Tensor) -> None:
        """Keep an image; a full disk only means that it is decoded again."""
        memory = _memory(image.contiguous())
        if memory.nbytes > self._most:
            return
        with self._lock, contextlib.suppress(OSError):
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
                self._close = weakref.finalize(self, self._file.close)
            offset = self._room(memory.nbytes)
            self._file.seek(offset)
            if self._file.write(memory) == memory.nbytes:
                self._entries.pop(key, None)
                self._entries[key] = _Entry(offset, tuple(image.shape), memory.nbytes)
                self._end = offset + memory.nbytes

    def _room(self, nbytes: int) -> int:
        """Return where to write next, after dropping the oldest entries that lie there."""
        start = self._end
        if start + nbytes > self._most:
            start = 0
            self._drop(lambda one: one.offset >= self._end)
        self._drop(lambda one: start <= one.offset < start + nbytes)
        return start

    def _drop(self, lies_there: Callable[[_Entry], bool]) -> None:
        while self._entries and lies_there(next(iter(self._entries.values()))):
            self._entries.popitem(last=False)


def _identity(path: str) -> tuple[object, ...]:
    """Name the content of a file as far as that can be seen without reading it."""
    try:
        found = Path(path).stat()
    except OSError:
        return (path,)
    return path, found.st_ino, found.st_size, found.st_mtime_ns


def _memory(image: Tensor) -> memoryview:
    return image.numpy().reshape(-1).view("B").data


KEPT = PreparedFiles()
if hasattr(os, "register_at_fork"):
    # A child shares the file and its position with its parent.
    os.register_at_fork(after_in_child=KEPT.clear)

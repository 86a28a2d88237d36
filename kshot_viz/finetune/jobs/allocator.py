"""The C library's memory allocator, in worker processes."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Iterator

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


@functools.cache
def keep_freed_memory() -> bool:
    """Let the process keep what it frees, since the next step asks for the same sizes again.

    By default glibc hands large blocks back to the system at once, and touching them anew costs as
    much as computing on them. Elsewhere (musl, macOS, Windows) nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    settings = {_MMAP_THRESHOLD: 2**30, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 2**26}
    done = [mallopt(name, value) for name, value in settings.items()]
    return all(done)


@contextlib.contextmanager
def large_pages() -> Iterator[None]:
    """Let processes started here take memory in large pages where the kernel has them.

    Walking over tens of megabytes of activations in pages of 4 kB costs much in address
    translation, twice as much in a virtual machine. glibc 2.35 and later reads the variable when a
    process starts; anything else ignores it.
    """
    before = os.environ.get("GLIBC_TUNABLES")
    kept = f"{before}:" if before else ""
    os.environ["GLIBC_TUNABLES"] = f"{kept}glibc.malloc.hugetlb=1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["GLIBC_TUNABLES"]
        else:
            os.environ["GLIBC_TUNABLES"] = before

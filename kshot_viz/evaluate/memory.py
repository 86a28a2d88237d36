"""What a process that runs one job after the other asks of the C library's allocator."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


@functools.cache
def keep_freed_memory() -> bool:
    """Let the process keep what it frees, since the next step asks for the same sizes again.

    By default glibc hands large blocks back to the system at once, and touching them anew costs as
    much as computing on them. Elsewhere (musl, macOS, Windows) nothing happens.
    """
    mallopt = _library("mallopt")
    if mallopt is None:
        return False
    settings = {_MMAP_THRESHOLD: 2**30, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 2**26}
    done = [mallopt(name, value) for name, value in settings.items()]
    return all(done)


def give_memory_back() -> None:
    """Hand what was freed back to the system, when no job follows."""
    trim = _library("malloc_trim")
    if trim is not None:
        trim(0)


def _library(name: str) -> Any:
    """Return a function of the C library, or None where it has none of that name."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):
        return None

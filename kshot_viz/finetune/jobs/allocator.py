"""The C library's memory allocator, in worker processes."""

from __future__ import annotations

import ctypes
import functools

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

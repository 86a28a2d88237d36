"""Plain JSON values, and the digests that results and files are found by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Return a deep copy made of JSON values only; numpy's numbers become Python's."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value


def record_digest(record: Any, length: int = 16) -> str:
    """Return the first hexadecimal digits of the SHA-256 of plain JSON values.

    The order of keys does not matter, and the digest is the same on every machine. Numbers of numpy
    are those of Python.
    """
    return content_digest([json.dumps(record, sort_keys=True, default=plain)])[:length]


def content_digest(parts: Iterable[str | bytes | memoryview]) -> str:
    """Return the hexadecimal SHA-256 of parts one after the other; text is encoded as UTF-8."""
    state = hashlib.sha256()
    for part in parts:
        state.update(part.encode() if isinstance(part, str) else part)
    return state.hexdigest()

"""Plain JSON values: what results are stored as and requests are named by."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def record_digest(record: Any, length: int = 16) -> str:
    """Return the first hexadecimal digits of the SHA-256 of plain JSON values.

    The order of keys does not matter, and the digest is the same on every machine.
    """
    text = json.dumps(record, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:length]

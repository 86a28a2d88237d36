"""The fingerprint of a data set, by which stored indices are never used on another one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from kshot_viz.records import content_digest


def content_fingerprint(classes: Sequence[str], targets: np.ndarray, content: Sequence[str]) -> str:
    """Hash class names, targets and one content hash per image into one fingerprint."""
    return sha256_of_parts(
        ["dataset", len(classes), *classes, *np.asarray(targets).tolist(), *content]
    )


def sha256_of_parts(parts: Iterable[object]) -> str:
    """Hash texts one after another, so that no two lists of texts have the same hash."""
    texts = (str(part).encode() for part in parts)
    # The length in front distinguishes ("ab", "c") from ("a", "bc").
    return content_digest(b"%d:%b" % (len(text), text) for text in texts)

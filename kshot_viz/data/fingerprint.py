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


def pixel_fingerprint(
    classes: Sequence[str], targets: np.ndarray, digests: Sequence[str], grey: Sequence[str]
) -> str:
    """Hash class names, targets and pixels: the same for equal images in files and in arrays.

    Parameters
    ----------
    classes : sequence of str
    targets : numpy.ndarray
    digests : sequence of str
        Of each image's three channels.
    grey : sequence of str
        Of its only channel; empty for an image of colour. They count where all images are grey, so
        that it does not matter whether grey images have one channel or three.
    """
    return content_fingerprint(classes, targets, grey if all(grey) else digests)


def subset_fingerprint(whole: str, classes: Sequence[int], indices: np.ndarray) -> str:
    """Return the fingerprint of some images and classes of a data set."""
    return sha256_of_parts(["subset", whole, *classes, "of", *indices.tolist()])


def sha256_of_parts(parts: Iterable[object]) -> str:
    """Hash texts one after another, so that no two lists of texts have the same hash."""
    texts = (str(part).encode() for part in parts)
    # The length in front distinguishes ("ab", "c") from ("a", "bc").
    return content_digest(b"%d:%b" % (len(text), text) for text in texts)

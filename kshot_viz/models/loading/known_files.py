"""Weights files whose input convention is known, found by the SHA-256 of their bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class KnownFile:
    """One file: the recipe for its images, and what it is."""

    recipe: str
    about: str


KNOWN_FILES: dict[str, KnownFile] = {
    "9f3231e164c5676302385320ba2d87f6074841f0be2096f4c33a3465e9940da5": KnownFile(
        recipe="caffe_bgr",
        about=(
            "SqueezeNet 1.1 trained on ImageNet, float32, for torchvision's squeezenet1_1. Only "
            "the features: the file has no classifier. Images are BGR, 0 to 255, minus "
            "(103.939, 116.779, 123.68). MIT licence, Jesper Wohlert, 2016."
        ),
    ),
}


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal text."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Letters with their marks: nearly 2,000 classes whose Unicode names describe them."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.glyphs.bank import (
    LETTER_CATEGORIES,
    GlyphBank,
    bank_of,
    draw_letters,
    first_drawings,
    script_of,
    without_twins,
)
from kshot_viz.data.glyphs.jitter import Jitter
from kshot_viz.data.glyphs.load_glyphs import drawn_dataset

SCRIPTS = (
    "latin",
    "greek",
    "cyrillic",
    "hebrew",
    "arabic",
    "armenian",
    "georgian",
    "tifinagh",
)
# Cosine of two drawings of 28 x 28 above which nobody tells two letters from each other.
TWIN_COSINE = 0.975


def load_letters(*, per_class: int = 30, seed: int = 0, how: Jitter | None = None) -> ImageDataset:
    """Draw ``per_class`` varied images of every letter of eight scripts, marks included.

    Parameters
    ----------
    per_class : int, default 30
        Images per letter; the faces that have the letter take turns in random order.
    seed : int, default 0
        Seed of faces and variation.
    how : Jitter, optional
        Strength of the variation.

    Returns
    -------
    ImageDataset
        uint8 ``(N, 28, 28, 1)``; the classes are the letters themselves. Of letters that look the
        same (Latin A and Greek Alpha) the first by code point is a class.
    """
    return drawn_dataset(letter_bank(), "letters", per_class=per_class, seed=seed, how=how)


@lru_cache(maxsize=1)
def letter_bank() -> GlyphBank:
    """Draw the letters of :data:`SCRIPTS`, without ligatures and without near-twins."""
    pairs = draw_letters(is_described_letter)
    points, drawings = first_drawings(pairs)
    return bank_of(tuple(without_twins(points, drawings, cosine=TWIN_COSINE, block=2)), pairs)


def is_described_letter(point: int) -> bool:
    """Return whether a code point is a letter of :data:`SCRIPTS` and no ligature."""
    return (
        script_of(point) in SCRIPTS
        and unicodedata.category(chr(point)) in LETTER_CATEGORIES
        and "LIGATURE" not in unicodedata.name(chr(point))
    )

"""Choose the letters that are glyph classes; those that look like a digit are left out.

A letter is a code point of Unicode category L (without Lm) that is not composed of others, has no
"WITH" (an accent, a hook, a stroke) in its name and no numeric value. The letters that look like a
digit are listed in ``homoglyphs.txt`` beside this module; letters that look like one of those, or
like an earlier letter (Latin A, Greek Alpha), are left out as duplicates.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from kshot_viz.errors import KShotFileError

# Cosine of two drawings of 14 x 14 above which a reader sees the same letter (C and c, M and m).
TWIN_COSINE = 0.96
_CATEGORIES = {"Lu", "Ll", "Lt", "Lo"}


def is_plain_letter(point: int) -> bool:
    """Return whether a code point is a letter of its own, without accents and numeric value."""
    character = chr(point)
    return (
        unicodedata.category(character) in _CATEGORIES
        and not unicodedata.decomposition(character)
        and unicodedata.numeric(character, None) is None
        and " WITH " not in unicodedata.name(character, " WITH ")
    )


def script_of(point: int) -> str:
    """Return the first word of the Unicode name in lower case, which for letters is the script."""
    return unicodedata.name(chr(point), "unknown").split()[0].lower()


@cache
def read_homoglyphs() -> dict[int, str]:
    """Read the list of look-alikes: code point -> the digit it can be taken for.

    Raises
    ------
    KShotFileError
        Names the line that cannot be read.
    """
    path = Path(__file__).with_name("homoglyphs.txt")
    listed: dict[int, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        point, digit, *_ = [*line.split(maxsplit=2), "", ""]
        if not point.startswith("U+") or digit not in "0123456789" or not digit:
            raise KShotFileError(f"{path.name}, line {number}: expected 'U+XXXX digit name'.")
        listed[int(point[2:], 16)] = digit
    return listed


def without_twins(points: Sequence[int], drawings: np.ndarray, first: Iterable[int]) -> list[int]:
    """Keep one of every set of letters that look the same.

    Parameters
    ----------
    points : sequence of int
        Code points, ascending.
    drawings : numpy.ndarray
        uint8 ``(len(points), S, S)``, one drawing of each, S a multiple of 4.
    first : iterable of int
        Code points that are preferred to all others, whatever their order.

    Returns
    -------
    list of int
        The code points kept, ascending.
    """
    winners = set(first)
    order = sorted(range(len(points)), key=lambda i: (points[i] not in winners, points[i]))
    cosine = _cosines(drawings)
    kept: list[int] = []
    for i in order:
        if not kept or cosine[i, kept].max() <= TWIN_COSINE:
            kept.append(i)
    return sorted(points[i] for i in kept)


def _cosines(drawings: np.ndarray) -> np.ndarray:
    n, side, _ = drawings.shape
    blocks = drawings.reshape(n, side // 4, 4, side // 4, 4).astype(np.float64).mean(axis=(2, 4))
    rows = blocks.reshape(n, -1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T

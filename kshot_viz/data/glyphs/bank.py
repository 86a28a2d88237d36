"""Drawings of every letter in every face that has it, made once with Pillow.

Drawings are made at twice the size of the final image: the letter fills a box of 40
pixels, its longer side exactly, centred in 56 x 56, light on dark.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFont

from kshot_viz.data.glyphs.fonts import find_faces
from kshot_viz.errors import KShotFileError, KShotValueError, unknown_name

SIDE = 56
BOX = 40
_POINT_SIZE = 48
HOMOGLYPHS = ("exclude", "include")


@dataclass(frozen=True, eq=False)
class GlyphBank:
    """Drawings of letters.

    Attributes
    ----------
    drawings : numpy.ndarray
        uint8 ``(P, 56, 56)``, one per pair of letter and face.
    letters, faces : numpy.ndarray
        int64 ``(P,)``: index into ``points`` and into ``face_names``; ``letters`` ascends.
    points : tuple of int
        The code points, ascending: the classes.
    face_names, face_hashes : tuple of str
        Names and sha256 of the font files.
    """

    drawings: np.ndarray
    letters: np.ndarray
    faces: np.ndarray
    points: tuple[int, ...]
    face_names: tuple[str, ...]
    face_hashes: tuple[str, ...]


@lru_cache(maxsize=4)
def glyph_bank(homoglyphs: str = "exclude", scripts: tuple[str, ...] | None = None) -> GlyphBank:
    """Draw the letters.

    Parameters
    ----------
    homoglyphs : {"exclude", "include"}
        Whether to leave out the letters that can be taken for a digit.
    scripts : tuple of str, optional
        Only letters of these scripts, for example ``("greek", "hebrew")``.

    Raises
    ------
    KShotValueError, KShotKeyError
        For another word, or a script that the fonts do not have.
    KShotFileError
        If matplotlib's fonts are missing.
    """
    if homoglyphs not in HOMOGLYPHS:
        raise KShotValueError(f"`homoglyphs` must be one of {HOMOGLYPHS}; not {homoglyphs!r}.")
    return bank_of(_chosen_points(homoglyphs, scripts), draw_letters(is_plain_letter))


def bank_of(points: tuple[int, ...], pairs: dict[tuple[int, int], np.ndarray]) -> GlyphBank:
    """Build the bank of some of the letters that :func:`draw_letters` has drawn."""
    faces = find_faces()
    number = {point: i for i, point in enumerate(points)}
    kept = sorted((number[p], f) for p, f in pairs if p in number)
    return GlyphBank(
        drawings=np.stack([pairs[points[letter], f] for letter, f in kept]),
        letters=np.array([letter for letter, _ in kept], dtype=np.int64),
        faces=np.array([f for _, f in kept], dtype=np.int64),
        points=points,
        face_names=tuple(face.name for face in faces),
        face_hashes=tuple(face.sha256 for face in faces),
    )


def _chosen_points(homoglyphs: str, scripts: tuple[str, ...] | None) -> tuple[int, ...]:
    listed = read_homoglyphs()
    points = [p for p in _distinct_letters() if homoglyphs == "include" or p not in listed]
    if scripts is None:
        return tuple(points)
    known = sorted({script_of(p) for p in points})
    for script in scripts:
        if script not in known:
            raise unknown_name("scripts", script, known)
    return tuple(p for p in points if script_of(p) in scripts)


@lru_cache(maxsize=1)
def _distinct_letters() -> tuple[int, ...]:
    points, drawings = first_drawings(draw_letters(is_plain_letter))
    return tuple(without_twins(points, drawings, read_homoglyphs()))


def first_drawings(pairs: dict[tuple[int, int], np.ndarray]) -> tuple[list[int], np.ndarray]:
    """Return the code points, ascending, and the drawing of each in its first face."""
    first: dict[int, np.ndarray] = {}
    for (point, _), drawing in pairs.items():
        first.setdefault(point, drawing)
    points = sorted(first)
    return points, np.stack([first[p] for p in points])


@lru_cache(maxsize=2)
def draw_letters(accepts: Callable[[int], bool]) -> dict[tuple[int, int], np.ndarray]:
    """Draw all pairs of (code point, face number) of accepted code points, face after face."""
    drawn = {}
    for number, face in enumerate(find_faces()):
        font = ImageFont.truetype(face.path, _POINT_SIZE, layout_engine=ImageFont.Layout.BASIC)
        for point in sorted(filter(accepts, face.code_points)):
            drawing = _draw(font, chr(point))
            if drawing is not None:
                drawn[point, number] = drawing
    return drawn


def _draw(font: ImageFont.FreeTypeFont, character: str) -> np.ndarray | None:
    """Draw one character and fit it to the box; None where the font draws nothing."""
    mask = font.getmask(character, mode="L")
    drawn = Image.frombytes("L", mask.size, bytes(mask)) if min(mask.size) else None
    bounds = drawn.getbbox() if drawn else None
    if drawn is None or bounds is None:
        return None
    drawn = drawn.crop(bounds)
    scale = BOX / max(drawn.size)
    size = (max(1, round(drawn.width * scale)), max(1, round(drawn.height * scale)))
    smooth = Image.Resampling.BILINEAR if scale > 1 else Image.Resampling.BOX
    frame = Image.new("L", (SIDE, SIDE))
    frame.paste(drawn.resize(size, smooth), ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return np.asarray(frame)


# Cosine of two drawings of 14 x 14 above which a reader sees the same letter (C and c, M and m).
TWIN_COSINE = 0.96
LETTER_CATEGORIES = {"Lu", "Ll", "Lt", "Lo"}


def is_plain_letter(point: int) -> bool:
    """Return whether a code point is a letter of its own, without accents and numeric value."""
    character = chr(point)
    return (
        unicodedata.category(character) in LETTER_CATEGORIES
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


def without_twins(
    points: Sequence[int],
    drawings: np.ndarray,
    first: Iterable[int] = (),
    *,
    cosine: float = TWIN_COSINE,
    block: int = 4,
) -> list[int]:
    """Keep one of every set of letters that look the same.

    Parameters
    ----------
    points : sequence of int
        Code points, ascending.
    drawings : numpy.ndarray
        uint8 ``(len(points), S, S)``, one drawing of each, S a multiple of ``block``.
    first : iterable of int
        Code points that are preferred to all others, whatever their order.
    cosine : float
        Similarity above which two drawings are the same letter.
    block : int
        Side in pixels of the squares whose means are compared.

    Returns
    -------
    list of int
        The code points kept, ascending.
    """
    winners = set(first)
    order = sorted(range(len(points)), key=lambda i: (points[i] not in winners, points[i]))
    cosines = _cosines(drawings, block)
    kept: list[int] = []
    for i in order:
        if not kept or cosines[i, kept].max() <= cosine:
            kept.append(i)
    return sorted(points[i] for i in kept)


def _cosines(drawings: np.ndarray, block: int = 4) -> np.ndarray:
    n, side, _ = drawings.shape
    blocks = (
        drawings.reshape(n, side // block, block, side // block, block)
        .astype(np.float64)
        .mean(axis=(2, 4))
    )
    rows = blocks.reshape(n, -1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T

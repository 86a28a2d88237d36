"""The fonts that come with matplotlib, read without importing matplotlib.

Which code points a face draws is read from its ``cmap`` table (OpenType specification, formats 4
and 12), because Pillow draws a placeholder for a missing letter without saying so.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from kshot_viz.errors import KShotFileError
from kshot_viz.records import content_digest

# Faces that draw letters; the other files are symbol, size-variant and placeholder fonts.
FACES = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSans-BoldOblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSansMono-Oblique",
    "DejaVuSansMono-BoldOblique",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "DejaVuSerif-BoldItalic",
    "STIXGeneral",
    "STIXGeneralItalic",
    "STIXGeneralBol",
    "STIXGeneralBolIta",
    "cmr10",
    "cmb10",
    "cmss10",
    "cmtt10",
    "cmti10",
    "cmmi10",
)


@dataclass(frozen=True)
class Face:
    """One font file: its name, path and hash, and the code points it draws."""

    name: str
    path: str
    sha256: str
    code_points: frozenset[int]


@cache
def find_faces() -> tuple[Face, ...]:
    """Return the faces of :data:`FACES`, in that order, that the installed matplotlib has.

    Raises
    ------
    KShotFileError
        If matplotlib or its font folder is missing.
    """
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise KShotFileError("matplotlib is not installed; the glyphs are drawn from its fonts.")
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    files = [folder / f"{name}.ttf" for name in FACES]
    faces = tuple(_read_face(file) for file in files if file.is_file())
    if not faces:
        raise KShotFileError(f"matplotlib's font folder {str(folder)!r} has none of {FACES}.")
    return faces


def _read_face(path: Path) -> Face:
    content = path.read_bytes()
    # Computer Modern has other signs at the code points of other letters than ASCII.
    stop = 0x80 if path.stem.startswith("cm") else 0x110000
    points = frozenset(point for point in _code_points(content) if point < stop)
    return Face(path.stem, str(path), content_digest([content]), points)


def _code_points(content: bytes) -> Iterator[int]:
    start = _table(content, b"cmap")
    (count,) = struct.unpack_from(">H", content, start + 2)
    for record in range(count):
        platform, _, offset = struct.unpack_from(">HHL", content, start + 4 + 8 * record)
        (form,) = struct.unpack_from(">H", content, start + offset)
        if platform in (0, 3) and form in (4, 12):
            read = _segments if form == 4 else _groups
            yield from read(content, start + offset)


def _table(content: bytes, tag: bytes) -> int:
    (count,) = struct.unpack_from(">H", content, 4)
    for record in range(count):
        name, _, offset, _ = struct.unpack_from(">4sLLL", content, 12 + 16 * record)
        if name == tag:
            return int(offset)
    raise KShotFileError(f"a font has no {tag.decode()!r} table.")


def _segments(content: bytes, start: int) -> Iterator[int]:
    """Read a format 4 table: parallel arrays of segment ends, starts, deltas and offsets."""
    (twice,) = struct.unpack_from(">H", content, start + 6)
    row = f">{twice // 2}H"
    ends = struct.unpack_from(row, content, start + 14)
    starts = struct.unpack_from(row, content, start + 16 + twice)
    deltas = struct.unpack_from(row, content, start + 16 + 2 * twice)
    base = start + 16 + 3 * twice
    offsets = struct.unpack_from(row, content, base)
    for i, (first, last) in enumerate(zip(starts, ends, strict=True)):
        for point in range(first, min(last, 0xFFFE) + 1):
            glyph = point
            if offsets[i]:
                where = base + 2 * i + offsets[i] + 2 * (point - first)
                (glyph,) = struct.unpack_from(">H", content, where)
                if glyph == 0:
                    continue
            if (glyph + deltas[i]) % 65536:
                yield point


def _groups(content: bytes, start: int) -> Iterator[int]:
    """Read a format 12 table: runs of code points."""
    (count,) = struct.unpack_from(">L", content, start + 12)
    for i in range(count):
        first, last, glyph = struct.unpack_from(">LLL", content, start + 16 + 12 * i)
        yield from range(first if glyph else first + 1, last + 1)

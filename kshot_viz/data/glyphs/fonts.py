"""The fonts that come with matplotlib, read without importing matplotlib.

Which code points a face draws is read from its character map, because Pillow draws a placeholder
for a missing letter without saying so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from io import BytesIO
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
    """Yield the code points of all Unicode character maps that have a glyph of their own."""
    from fontTools.ttLib import TTFont

    with TTFont(BytesIO(content), lazy=True) as font:
        for table in font["cmap"].tables:
            if table.platformID in (0, 3) and table.format in (4, 12):
                yield from (point for point, glyph in table.cmap.items() if glyph != ".notdef")

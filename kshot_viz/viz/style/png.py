"""Convert a figure to bytes or a file, without pyplot and from any thread."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import unknown_name
from kshot_viz.files import whole_file
from kshot_viz.viz.style.canvas import figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Metadata left out of the file: date, program and version.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def to_png(fig: Figure | Axes, dpi: float = 100, *, transparent: bool = False) -> bytes:
    """Return the figure as PNG.

    Parameters
    ----------
    fig : Figure or Axes
        An Axes stands for its figure.
    dpi : float
        Pixels an inch.
    transparent : bool
        Whether the background is transparent; else it is solid, readable on a dark page.
    """
    buffer = io.BytesIO()
    _write(figure_of(fig), buffer, "png", dpi, transparent=transparent)
    return buffer.getvalue()


def to_svg(fig: Figure | Axes) -> bytes:
    """Return the figure as SVG: one file, with its letters as outlines."""
    buffer = io.BytesIO()
    _write(figure_of(fig), buffer, "svg", 100)
    return buffer.getvalue()


def save_figure(fig_or_ax: Figure | Axes, path: str | Path, *, dpi: float = 150) -> Path:
    """Write a figure to a file; the suffix chooses PNG, SVG or PDF.

    Parameters
    ----------
    fig_or_ax : Figure or Axes
    path : str or Path
        Missing folders are made.
    dpi : float
        Pixels an inch, for PNG.

    Raises
    ------
    KShotKeyError
        For another suffix.
    KShotFileError
        If the file cannot be written.
    """
    target = Path(path)
    kind = target.suffix.lower().removeprefix(".")
    if kind not in _METADATA:
        raise unknown_name("suffix of path", target.suffix, [f".{name}" for name in _METADATA])
    buffer = io.BytesIO()
    _write(figure_of(fig_or_ax), buffer, kind, dpi)
    return write_file(target, buffer.getvalue())


def write_file(target: Path, content: bytes) -> Path:
    """Write bytes atomically; missing folders are made."""
    with whole_file(target) as part:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
    return target


def _write(
    figure: Figure, buffer: io.BytesIO, kind: str, dpi: float, *, transparent: bool = False
) -> None:
    background = "none" if transparent else _solid(figure)
    figure.savefig(
        buffer,
        format=kind,
        dpi=dpi,
        facecolor=background,
        transparent=transparent,
        metadata=_METADATA[kind],
    )


def _solid(figure: Figure) -> Any:
    from matplotlib.colors import to_rgba

    red, green, blue, opaque = to_rgba(figure.get_facecolor())
    return (red, green, blue) if opaque > 0 else "white"

"""Recolour a finished figure for a dark or a light theme.

A figure is drawn in a thread that has no access to the page it is shown on, and the page may change
its theme afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.collections import Collection
from matplotlib.colors import to_rgb, to_rgba_array
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Palette:
    """Colours of text and lines, and of the background."""

    foreground: str
    background: str


LIGHT, DARK = Palette("black", "white"), Palette("#dedede", "#111111")


def recolour(figure: Figure, *, dark: bool) -> None:
    """Replace black and white by the colours of a dark theme, or the other way round.

    Other colours stay as they are, and so do texts with a colour chosen for the area they are on,
    and figures in a style of the user's own.

    Parameters
    ----------
    figure : Figure
        Changed in place.
    dark : bool
        Whether the theme is dark.
    """
    old, new = (LIGHT, DARK) if dark else (DARK, LIGHT)
    if to_rgb(figure.get_facecolor()) != to_rgb(old.background):
        return
    for artist in figure.findobj():
        _recolour(artist, old, new)


@singledispatch
def _recolour(artist: Any, old: Palette, new: Palette) -> None:
    """Change the colours of one artist, where it has any."""


@_recolour.register
def _(artist: Text, old: Palette, new: Palette) -> None:
    # Compared as written: "#000000" was chosen for text on a coloured area.
    if artist.get_color() == old.foreground:
        artist.set_color(new.foreground)


@_recolour.register
def _(artist: Line2D, old: Palette, new: Palette) -> None:
    for part in ("color", "markerfacecolor", "markeredgecolor"):
        colour = getattr(artist, f"get_{part}")()
        if not isinstance(colour, str) or colour not in ("none", "auto"):
            getattr(artist, f"set_{part}")(_swapped(colour, old, new)[0])


@_recolour.register(Patch)
@_recolour.register(Collection)
def _(artist: Any, old: Palette, new: Palette) -> None:
    for part in ("facecolor", "edgecolor"):
        colours = getattr(artist, f"get_{part}")()
        if not isinstance(colours, str):
            swapped = _swapped(colours, old, new)
            getattr(artist, f"set_{part}")(
                swapped if isinstance(artist, Collection) else swapped[0]
            )


@_recolour.register
def _(artist: Axis, old: Palette, new: Palette) -> None:
    # Ticks are created anew while a figure is drawn.
    given = artist.get_tick_params()
    for part in ("color", "labelcolor", "grid_color"):
        if given.get(part, old.foreground) == old.foreground:
            artist.set_tick_params(which="both", **{part: new.foreground})  # type: ignore[arg-type]


def _swapped(colours: Any, old: Palette, new: Palette) -> Any:
    """Return the colours, shape (n, 4), with those of the old theme replaced."""
    rgba = to_rgba_array(colours)
    swapped = rgba.copy()
    for was, now in ((old.foreground, new.foreground), (old.background, new.background)):
        same = np.all(np.isclose(rgba[:, :3], to_rgb(was)), axis=1)
        swapped[same, :3] = to_rgb(now)
    return swapped

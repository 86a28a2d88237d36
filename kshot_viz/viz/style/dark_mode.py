"""Letters and lines for a dark page, and back again, on a figure that is drawn already.

A figure is drawn in a thread that knows nothing of the page it will stand on, and the page may
change its theme afterwards.
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
    """What is written with, and on."""

    ink: str
    paper: str


LIGHT, DARK = Palette("black", "white"), Palette("#dedede", "#111111")


def reink(figure: Figure, *, dark: bool) -> None:
    """Give everything that is black on white the colours of a dark page, or the other way round.

    Colours that mean something stay as they are, and so do letters that were given a colour to be
    read on another one, and figures in a style of the user's own.

    Parameters
    ----------
    figure : Figure
        Changed in place.
    dark : bool
    """
    old, new = (LIGHT, DARK) if dark else (DARK, LIGHT)
    if to_rgb(figure.get_facecolor()) != to_rgb(old.paper):
        return
    for artist in figure.findobj():
        _reink(artist, old, new)


@singledispatch
def _reink(artist: Any, old: Palette, new: Palette) -> None:
    """Change the colours of one artist, where it has any."""


@_reink.register
def _(artist: Text, old: Palette, new: Palette) -> None:
    # As it was written down: "#000000" was chosen to be read on a coloured ground.
    if artist.get_color() == old.ink:
        artist.set_color(new.ink)


@_reink.register
def _(artist: Line2D, old: Palette, new: Palette) -> None:
    for part in ("color", "markerfacecolor", "markeredgecolor"):
        colour = getattr(artist, f"get_{part}")()
        if not isinstance(colour, str) or colour not in ("none", "auto"):
            getattr(artist, f"set_{part}")(_swapped(colour, old, new)[0])


@_reink.register(Patch)
@_reink.register(Collection)
def _(artist: Any, old: Palette, new: Palette) -> None:
    for part in ("facecolor", "edgecolor"):
        colours = getattr(artist, f"get_{part}")()
        if not isinstance(colours, str):
            swapped = _swapped(colours, old, new)
            getattr(artist, f"set_{part}")(
                swapped if isinstance(artist, Collection) else swapped[0]
            )


@_reink.register
def _(artist: Axis, old: Palette, new: Palette) -> None:
    # Ticks are made anew while a figure is drawn.
    given = artist.get_tick_params()
    for part in ("color", "labelcolor", "grid_color"):
        if given.get(part, old.ink) == old.ink:
            artist.set_tick_params(which="both", **{part: new.ink})  # type: ignore[arg-type]


def _swapped(colours: Any, old: Palette, new: Palette) -> Any:
    """Return the colours, shape (n, 4), with ink and paper exchanged for those of the new page."""
    rgba = to_rgba_array(colours)
    swapped = rgba.copy()
    for was, now in ((old.ink, new.ink), (old.paper, new.paper)):
        same = np.all(np.isclose(rgba[:, :3], to_rgb(was)), axis=1)
        swapped[same, :3] = to_rgb(now)
    return swapped

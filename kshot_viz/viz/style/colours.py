"""One colour per group and one look per method, the same in every figure."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kshot_viz.methods.base import MethodStyle
from kshot_viz.methods.registry import list_methods, method_class

# Okabe & Ito's set for colour-blind readers, without black, which is for text and frames.
OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
DEAD_COLOUR, DEAD_HATCH = "#8C8C8C", "////"
LONE_COLOUR = "#4C6A92"
# Shapes of points and patterns of bars, by index; those of the browser's map follow this order.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = ("", "///", "...", "xxx", "---", "ooo", "+++", "***")
_GOLDEN_ANGLE = 137.508
_LIGHTNESS = (0.45, 0.72, 0.56, 0.83, 0.64)


SAMPLER_STYLES: dict[str, MethodStyle] = {
    "reinforce": MethodStyle("controller", "#0072B2", "o", "-"),
    "random": MethodStyle("random search", "#6E6E6E", "s", ":"),
    "tpe": MethodStyle("TPE", "#D55E00", "^", "--"),
}
_FURTHER_COLOURS = ("#56B4E9", "#8C564B", "#5B3F99", "#1A1A1A", "#A6A200")
_FURTHER_MARKERS = ("X", "<", ">", "h", "*", "d")
_FURTHER_DASHES = ("-", "--", "-.", ":")


def group_colours(numbers: Iterable[int]) -> tuple[str, ...]:
    """Return the colour of groups by their numbers, as ``"#RRGGBB"``; -1 is grey.

    A number has one colour whatever other groups there are. The first seven are Okabe and Ito's;
    further ones turn in hue by the golden angle and alternate in lightness, so that neighbours
    differ. Sixty colours cannot be distinguished: figures also have shapes, and write the numbers.
    """
    wanted = [int(number) for number in numbers]
    more = np.maximum(np.asarray(wanted, dtype=np.float64) - len(OKABE_ITO), 0)
    lightness = np.take(_LIGHTNESS, more.astype(int) % len(_LIGHTNESS))
    further = _srgb(lightness, 0.125, np.deg2rad(250 + _GOLDEN_ANGLE * more))
    return tuple(
        OKABE_ITO[number]
        if 0 <= number < len(OKABE_ITO)
        else DEAD_COLOUR
        if number < 0
        else _hex(colour)
        for number, colour in zip(wanted, further, strict=True)
    )


def group_shapes(numbers: Iterable[int]) -> tuple[int, ...]:
    """Return the index of each group's marker and hatch: another one after every seven numbers."""
    return tuple(max(0, int(n)) // len(OKABE_ITO) % len(MARKERS) for n in numbers)


def method_styles(names: Iterable[str]) -> dict[str, MethodStyle]:
    """Return the style of each method: those with one of their own first, then the others."""
    known = {name: method_class(name) for name in list_methods()}
    styled = {name: one.style for name, one in known.items() if one and one.style}
    return _styles(names, styled)


def sampler_styles(names: Iterable[str]) -> dict[str, MethodStyle]:
    """Return the style of each sampler of a search: known ones first, then the others."""
    return _styles(names, SAMPLER_STYLES)


def method_label(name: str) -> str:
    """Return the label of a method; names given by the user stay as they are."""
    found = method_class(name)
    return name if found is None else found.label


def text_on(colour: str) -> str:
    """Return black or white, whichever is easier to read on a colour."""
    return "#000000" if luminance(colour) > 0.2 else "#FFFFFF"


def luminance(colour: str) -> float:
    """Return the relative luminance of ``"#RRGGBB"`` in [0, 1] (WCAG 2)."""
    channels = rgb(colour)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def rgb(colour: str) -> NDArray[np.float64]:
    """Return red, green and blue of ``"#RRGGBB"`` in [0, 1], shape (3,)."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def _styles(names: Iterable[str], known: dict[str, MethodStyle]) -> dict[str, MethodStyle]:
    given = list(dict.fromkeys(names))
    # The label of a method is as good a name as its identifier.
    by_name = {alias: style for name, style in known.items() for alias in (name, style.label)}
    further = [name for name in given if name not in by_name]
    own = {name: style for name, style in by_name.items() if name in given}
    return own | {name: _further(name, index) for index, name in enumerate(further)}


def _further(name: str, index: int) -> MethodStyle:
    return MethodStyle(
        method_label(name),
        _FURTHER_COLOURS[index % len(_FURTHER_COLOURS)],
        _FURTHER_MARKERS[index % len(_FURTHER_MARKERS)],
        _FURTHER_DASHES[index % len(_FURTHER_DASHES)],
    )


def _srgb(
    lightness: NDArray[np.float64], chroma: float, hue: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Convert OKLCH (Ottosson, "A perceptual color space for image processing", 2020) to sRGB."""
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    matrix = [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
    linear = np.clip(np.stack([long, medium, short], axis=1) @ np.transpose(matrix), 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _hex(colour: NDArray[np.float64]) -> str:
    return "#" + "".join(f"{round(255 * float(channel)):02X}" for channel in colour)

"""Features of images and prototypes of classes in the browser, moved after every edit."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
from traitlets import Int, List, Unicode

from kshot_viz.text import isolated
from kshot_viz.viz.style.colours import group_colours, group_shapes, rgb
from kshot_viz.viz.words.prototype_map import BOTH, IMAGE, TEXT, map_frame
from kshot_viz.widgets.base.parts import as_bytes, sent, static
from kshot_viz.words.preview import Outcome

_SCRIPTS = ("page.js", "geometry.js", "drawing.js", "points_view.js", "prototype_map.js")


class PrototypeCanvas(anywidget.AnyWidget):
    """The picture of :func:`plot_prototypes`, drawn by the browser: hover, pan, zoom, keyboard.

    Parameters
    ----------
    height : int
        Pixels.
    """

    _esm = "\n".join(map(static, _SCRIPTS))
    _css = static("canvas.css")

    # Images first, then prototypes; the last group of colours is that of no described class.
    points, starts, labels, palette, shapes, wrong = (sent() for _ in range(6))
    words = List(Unicode()).tag(sync=True)
    names = List(Unicode()).tag(sync=True)
    axes = List(Unicode(), ["", ""]).tag(sync=True)
    note = Unicode("").tag(sync=True)
    height = Int(360).tag(sync=True)

    def show(self, outcome: Outcome) -> None:
        """Show another outcome."""
        frame, shot = map_frame(outcome), outcome.settings.shot
        images = frame[frame["kind"] == IMAGE]
        stars = frame[frame["kind"] == (BOTH if shot else TEXT)]
        texts = frame[frame["kind"] == TEXT]
        groups = [*range(len(outcome.classes)), -1]
        labels = np.concatenate([images["number"], stars["number"]]).astype(int)
        colours = np.array([rgb(colour) for colour in group_colours(groups)])
        shares = outcome.preview.plane[1]
        with self.hold_sync():
            self.points = as_bytes(np.concatenate([_xy(images), _xy(stars)]), "f4")
            self.starts = as_bytes(_xy(texts), "f4") if shot else b""
            self.labels = as_bytes(np.where(labels < 0, len(groups) - 1, labels), "i4")
            self.palette = as_bytes(np.round(255 * colours), "u1")
            self.shapes = as_bytes(group_shapes(groups), "u1")
            self.wrong = as_bytes(~images["right"].to_numpy(dtype=bool), "u1")
            self.names = [isolated(name) for name in outcome.classes]
            self.words = [*_image_words(outcome), *_prototype_words(outcome)]
            self.axes = [
                f"component {number} of the images' features ({100 * share:.0f} % of variance)"
                for number, share in enumerate(shares, start=1)
            ]
            lines = " Lines: from where its text alone put it." if shot else ""
            self.note = f"Star: the prototype of a class. Crosses: images that are wrong.{lines}"


def _xy(frame: Any) -> Any:
    return frame[["x", "y"]].to_numpy(dtype=float)


def _image_words(outcome: Outcome) -> list[str]:
    found, own = outcome.probabilities(), outcome.preview.images.labels
    guesses = found.argmax(axis=1)
    return [
        f"image {i}, {isolated(outcome.classes[c] if c >= 0 else str(own[i]))}\n"
        f"predicted {isolated(outcome.classes[guess])}, {100 * found[i, guess]:.0f} %"
        for i, (c, guess) in enumerate(zip(outcome.labels, guesses, strict=True))
    ]


def _prototype_words(outcome: Outcome) -> list[str]:
    return [f"prototype of {isolated(name)}\n{text}" for name, text in outcome.descriptions.items()]

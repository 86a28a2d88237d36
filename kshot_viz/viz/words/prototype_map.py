"""Prototypes of descriptions beside the features of images, in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kshot_viz.text import counted
from kshot_viz.viz.style.canvas import entitle, new_axes, text_colour, tidy
from kshot_viz.viz.style.colours import MARKERS, group_colours, group_shapes
from kshot_viz.words.preview import Outcome

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

IMAGE, TEXT, BOTH = "image", "description", "description and images"
_NAMED = 60


def plot_prototypes(outcome: Outcome, *, ax: Axes | None = None) -> Axes:
    """Draw images' features, and the prototype of each class as a star with its name.

    The network gives an image the class whose prototype is nearest to its features. Both are drawn
    on the first two principal components of the images' features, which no text changes: a
    prototype that moves is a text that was edited. Distances in the plane are part of those in
    the space of all features, as far as the shares of variance say. Images that are wrong have a
    cross; of a prototype that images joined, a line leads from where its text alone put it.
    """
    frame = map_frame(outcome)
    ax = new_axes(ax, (6.4, 4.8))
    classes = range(-1, len(outcome.classes))
    colours = dict(zip(classes, group_colours(classes), strict=True))
    shapes = dict(zip(classes, group_shapes(classes), strict=True))
    rim, images = text_colour(ax), frame[frame["kind"] == IMAGE]
    for c in classes:
        part, marker = images[images["number"] == c], MARKERS[shapes[c]]
        look = {"color": colours[c], "marker": marker, "edgecolors": rim, "linewidths": 0.3}
        ax.scatter(part["x"], part["y"], s=26, **look)
    _cross(ax, frame)
    _lines(ax, frame)
    shown = frame[frame["kind"] == (BOTH if outcome.settings.shot else TEXT)]
    stars = [colours[c] for c in shown["number"]]
    ax.scatter(shown["x"], shown["y"], s=190, c=stars, marker="*", edgecolors=rim, linewidths=1.0)
    _name(ax, shown)
    tidy(ax)
    _describe(ax, outcome)
    return ax


def map_frame(outcome: Outcome) -> pd.DataFrame:
    """Return ``kind, class, number, x, y, right``: images, and prototypes of both kinds."""
    import pandas as pd

    preview, names = outcome.preview, outcome.classes
    guesses = outcome.probabilities().argmax(axis=1)
    own = preview.images.labels
    images = pd.DataFrame(preview.project(preview.features), columns=["x", "y"]).assign(
        kind=IMAGE,
        number=outcome.labels,
        right=(guesses == outcome.labels) | (outcome.labels < 0),
    )
    images["class"] = [names[c] if c >= 0 else own[i] for i, c in enumerate(outcome.labels)]
    parts = [images]
    for kind, prototypes in ((TEXT, outcome.alone), (BOTH, outcome.blended)):
        points = pd.DataFrame(preview.project(prototypes), columns=["x", "y"])
        parts.append(points.assign(kind=kind, number=range(len(names)), right=True))
        parts[-1]["class"] = names
    found = pd.concat(parts, ignore_index=True)
    return found[["kind", "class", "number", "x", "y", "right"]]


def _cross(ax: Axes, frame: pd.DataFrame) -> None:
    wrong = frame[~frame["right"].astype(bool)]
    ax.scatter(wrong["x"], wrong["y"], s=26, marker="x", color=text_colour(ax), linewidths=1.0)


def _lines(ax: Axes, frame: pd.DataFrame) -> None:
    starts, ends = (frame.loc[frame["kind"] == kind, ["x", "y"]] for kind in (TEXT, BOTH))
    for start, end in zip(starts.to_numpy(), ends.to_numpy(), strict=True):
        if np.hypot(*(end - start)) > 0:
            ax.plot(*np.transpose([start, end]), color=text_colour(ax), linewidth=0.9, alpha=0.6)


def _name(ax: Axes, shown: pd.DataFrame) -> None:
    for row in shown.head(_NAMED).to_dict("records"):
        ax.annotate(
            str(row["class"]),
            (row["x"], row["y"]),
            (7, 5),
            textcoords="offset points",
            fontsize=10,
            fontweight="bold",
            color=text_colour(ax),
            parse_math=False,
        )


def _describe(ax: Axes, outcome: Outcome) -> None:
    shares = outcome.preview.plane[1]
    for number, (axis, share) in enumerate(zip("xy", shares, strict=True), start=1):
        label = f"component {number} of the images' features ({100 * share:.0f} % of variance)"
        getattr(ax, f"set_{axis}label")(label, fontsize=9)
    lone = int((outcome.labels < 0).sum())
    grey = f" Grey: {counted(lone, 'image')} of no described class." if lone else ""
    moved = " Lines: from where its text alone put it." if outcome.settings.shot else ""
    entitle(
        ax,
        "Prototypes beside the images' features",
        f"Star: the prototype of a class, where an image would be surest. Crosses: images that are "
        f"wrong.{moved}{grey}",
    )

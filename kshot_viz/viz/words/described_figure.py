"""A network from descriptions as one figure: texts, predictions, and prototypes in the plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kshot_viz.text import counted, isolated
from kshot_viz.viz.style.canvas import bare, entitle, text_colour
from kshot_viz.viz.style.thumbnails import transparent_thumbnail
from kshot_viz.viz.words.prototype_map import plot_prototypes
from kshot_viz.words.preview import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {"✓": "#0072B2", "✗": "#D55E00"}
_SIDE, _ACROSS, _DOWN, _TEXTS, _LETTERS = 28, 6, 5, 12, 60


def draw_described(outcome: Outcome) -> Figure:
    """Return the figure that a dashboard leaves in a notebook."""
    from matplotlib.figure import Figure

    lines = min(len(outcome.descriptions), _TEXTS)
    figure = Figure(figsize=(12.6, 5.4 + 0.19 * lines), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(4.6, 0.5 + 0.19 * lines), width_ratios=(1.1, 1))
    plot_prototypes(outcome, ax=figure.add_subplot(grid[0, 0]))
    _texts(figure.add_subplot(grid[1, 0]), outcome)
    _thumbnails(figure.add_subplot(grid[:, 1]), outcome)
    return figure


def accuracy_text(outcome: Outcome) -> str:
    """Return how often descriptions alone, and with images, are right."""
    known = int((outcome.labels >= 0).sum())
    if not known:
        return "None of the images is of a described class."
    alone, count = 100 * outcome.accuracy(alone=True), counted(known, "image")
    text = f"Descriptions alone: {alone:.0f} % of {count} right."
    if outcome.settings.shot:
        each = counted(outcome.settings.shot, "image")
        text += f" With {each} of each class: {100 * outcome.accuracy():.0f} %."
    lone = len(outcome.labels) - known
    return text + (f" {counted(lone, 'image')} of no described class." if lone else "")


def described_findings(outcome: Outcome) -> list[str]:
    """Return how often the network is right, and which words do most for and against a class."""
    words = outcome.word_frame().dropna().sort_values("evidence", kind="stable").to_dict("records")
    found = [accuracy_text(outcome)]
    if words and words[-1]["evidence"] > 0:
        found.append(f"The word that does most for its class is {_word(words[-1])}.")
    if words and words[0]["evidence"] < 0:
        found.append(f"The word that does most against its class is {_word(words[0])}.")
    return found


def _word(row: Mapping[Any, Any]) -> str:
    return f"{row['token']!r} of {isolated(row['class'])!r} ({row['evidence']:+.2f})"


def spread(outcome: Outcome, most: int) -> list[int]:
    """Return at most so many images, by turns from each class, in the order of the classes."""
    import pandas as pd

    labels = pd.Series(outcome.preview.images.targets)
    turns = labels.groupby(labels).cumcount()
    order = turns.sort_values(kind="stable").index[:most]
    return sorted(order.tolist(), key=lambda i: (labels[i], i))


def _thumbnails(ax: Axes, outcome: Outcome) -> None:
    found, images = outcome.probabilities(), outcome.preview.images
    chosen = spread(outcome, _ACROSS * _DOWN)
    for turn, i in enumerate(chosen):
        row, column = divmod(turn, _ACROSS)
        left, top = 1.25 * column, 1.75 * row
        square = transparent_thumbnail(images, i, _SIDE)
        ax.imshow(square, extent=(left, left + 1, top + 1, top), interpolation="nearest")
        c = int(found[i].argmax())
        words = f"{sign(outcome, i, c)} {outcome.classes[c][:9]}\n{100 * found[i, c]:.0f} %"
        ax.text(
            left + 0.5,
            top + 1.08,
            words,
            ha="center",
            va="top",
            fontsize=8.5,
            color=_COLOURS.get(sign(outcome, i, c)) or text_colour(ax),
            parse_math=False,
        )
    rows = -(-len(chosen) // _ACROSS)
    ax.set_xlim(-0.1, 1.25 * _ACROSS)
    ax.set_ylim(max(1, rows) * 1.75, 0)
    ax.set_anchor("NW")
    bare(ax)
    entitle(ax, *_headline(outcome, len(chosen)))


def sign(outcome: Outcome, image: int, predicted: int) -> str:
    """Return a tick, a cross, or a question mark for an image of no described class."""
    if outcome.labels[image] < 0:
        return "?"
    return "✓" if outcome.labels[image] == predicted else "✗"


def _headline(outcome: Outcome, shown: int) -> tuple[str, str]:
    """Return the accuracy and, smaller, all that explains it."""
    first, _, rest = accuracy_text(outcome).partition(". ")
    few = f" {shown} of {len(outcome.labels):,} images." if shown < len(outcome.labels) else ""
    signs = "Predicted class and probability; ✓ right, ✗ wrong, ? of no described class."
    return f"{first.rstrip('.')}.", f"{rest} {signs}{few}".strip()


def _texts(ax: Axes, outcome: Outcome) -> None:
    pairs = list(outcome.descriptions.items())
    for row, (name, text) in enumerate(pairs[:_TEXTS]):
        short = text if len(text) <= _LETTERS else f"{text[:_LETTERS]}..."
        for at, words, weight in ((0.0, name[:10], "bold"), (0.14, short, "normal")):
            ax.text(at, row, words, fontsize=9, fontweight=weight, va="center",
                    color=text_colour(ax), parse_math=False)  # fmt: skip
    more = len(pairs) - _TEXTS
    ax.set_xlim(0, 1)
    ax.set_ylim(min(len(pairs), _TEXTS) - 0.4, -0.6)
    bare(ax)
    entitle(ax, "Descriptions", f"{more} more." if more > 0 else "")

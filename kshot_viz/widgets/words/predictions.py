"""Images with their predicted classes, and texts with their words shaded, as HTML."""

from __future__ import annotations

import base64
import html
import io
import math
from functools import cached_property

import numpy as np

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.text import counted, formatted, isolated
from kshot_viz.viz.style.thumbnails import transparent_thumbnail
from kshot_viz.viz.words.described_figure import sign, spread
from kshot_viz.words.preview import Outcome

_SHOWN, _SIDE = 48, 44
_KINDS = {"✓": ("right", "right"), "✗": ("wrong", "wrong"), "?": ("unknown", "not described")}


class Thumbnails:
    """Small pictures of some images, made once.

    Parameters
    ----------
    images : ImageDataset
    """

    def __init__(self, images: ImageDataset) -> None:
        self._images = images

    @cached_property
    def _sources(self) -> dict[int, str]:
        return {}

    def html(self, outcome: Outcome) -> str:
        """Return the images with predicted class and probability, right or wrong."""
        found = outcome.probabilities()
        chosen = spread(outcome, _SHOWN)
        shown = "".join(self._one(outcome, i, found[i]) for i in chosen)
        rest = len(found) - len(chosen)
        more = f"<p>{len(chosen)} of {len(found):,} images; frame() has all.</p>" if rest else ""
        return f'<div class="kv-predictions">{shown}</div>{more}'

    def _one(self, outcome: Outcome, i: int, found: np.ndarray) -> str:
        c = int(found.argmax())
        mark = sign(outcome, i, c)
        kind, word = _KINDS[mark]
        own = outcome.labels[i]
        label = outcome.classes[own] if own >= 0 else str(outcome.preview.images.labels[i])
        said = f"image {i}, {label}: predicted {outcome.classes[c]}, {100 * found[c]:.0f} %, {word}"
        name = html.escape(said, quote=True)
        guess = html.escape(isolated(outcome.classes[c]))
        return (
            f'<span class="kv-prediction kv-{kind}" title="{name}">'
            f'<img src="{self._source(i)}" alt="{name}">'
            f"<b>{mark} <bdi>{guess}</bdi></b> {100 * found[c]:.0f} %</span>"
        )

    def _source(self, i: int) -> str:
        if i not in self._sources:
            self._sources[i] = _png(transparent_thumbnail(self._images, i, _SIDE))
        return self._sources[i]


def _png(square: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.round(255 * square).astype(np.uint8)).save(buffer, "png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def evidence_html(outcome: Outcome, number: int) -> str:
    """Return the words of a text, shaded by what they do for their class.

    Blue speaks for the class, orange against it; the largest value of all texts is the darkest.
    """
    values = outcome.evidence[number]
    name, text = list(outcome.descriptions.items())[number]
    if math.isnan(values[0]):
        return '<span class="kv-idle">No image of this class, so no evidence of its words.</span>'
    largest = float(np.nanmax(np.abs(outcome.evidence))) or 1.0
    split = outcome.preview.words.vocabulary.split
    words = zip(split(text), values.tolist(), strict=False)
    return " ".join(_shaded(word, value, largest, name) for word, value in words)


def _shaded(word: str, value: float, largest: float, name: str) -> str:
    number = formatted(value, "+.2f")
    kind = "neither" if float(number) == 0 else "for" if value > 0 else "against"
    share = round(55 * min(1.0, abs(value) / largest))
    said = "neither for nor against" if kind == "neither" else kind
    tip = html.escape(f"{word} speaks {said} {name}: {value:+.3f}", quote=True)
    return (
        f'<span class="kv-word kv-word-{kind}" style="--kv-share: {share}%" title="{tip}">'
        f"{html.escape(word)}<small>{number}</small></span>"
    )


def shared_text(images: ImageDataset, support: ImageDataset | None) -> str:
    """Return a warning where images are predicted that also join the descriptions."""
    both = 0 if support is None else len(set(images.digests) & set(support.digests))
    if not both:
        return ""
    return f" {counted(both, 'image')} of these may join the descriptions too: no fair accuracy."

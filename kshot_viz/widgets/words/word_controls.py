"""Controls of networks from descriptions: images that join, evidence, letters to compose."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from kshot_viz.widgets.base.parts import button
from kshot_viz.words.letters.parts import LetterParts
from kshot_viz.words.preview import Settings
from kshot_viz.words.reader import Reader

_EVIDENCE_NAMES = {
    "shapley": "Shapley value",
    "without": "score lost without the word",
    "gradient": "gradient x embedding",
}
_LEAST_PRIOR, _MOST_PRIOR = 0.5, 32.0
_STYLE = {"description_width": "initial"}
_AUTO = {"width": "auto", "max_width": "100%"}


_LEGEND = (
    "Blue, solid: the word speaks for its class; orange, dashed: against it. The number is what "
    "it adds to the mean log-probability of the class on its images, by descriptions alone."
)


class WordControls(ipywidgets.HBox):
    """How many images join each description, what a text counts, and which evidence is shown.

    Parameters
    ----------
    settings : Settings
        To begin with.
    most_shots : int
        What there is; the two controls of images are hidden where there are none.
    measures : sequence of str
        Kinds of evidence that there are.
    """

    def __init__(self, settings: Settings, most_shots: int, measures: Sequence[str]) -> None:
        hidden = {} if most_shots else {"display": "none"}
        self.shot = ipywidgets.IntSlider(
            settings.shot,
            max=max(most_shots, settings.shot),
            description="images of each class",
            style=_STYLE,
            layout={"width": "320px", "max_width": "100%", **hidden},
        )
        self.shot.add_class("kv-shot")
        self.prior_count = ipywidgets.FloatSlider(
            settings.prior_count,
            min=min(_LEAST_PRIOR, settings.prior_count),
            max=max(_MOST_PRIOR, settings.prior_count),
            step=0.5,
            description="images a text counts for",
            readout_format=".1f",
            style=_STYLE,
            tooltip="As many images as a description counts for",
            layout={"width": "320px", "max_width": "100%", **hidden},
        )
        self.prior_count.add_class("kv-prior")
        self.evidence = ipywidgets.Dropdown(
            description="evidence",
            options=[(_EVIDENCE_NAMES[one], one) for one in measures],
            value=settings.evidence,
            style=_STYLE,
            layout=_AUTO,
        )
        self.evidence.add_class("kv-choose-evidence")
        super().__init__([self.shot, self.prior_count, self.evidence])
        self.add_class("kv-row")


class Compose(ipywidgets.HBox):
    """Adds a class: an empty one, or a letter with a mark where such words are known.

    Parameters
    ----------
    parts : LetterParts
    add : callable
        Takes name and text.
    """

    def __init__(self, parts: LetterParts, add: Callable[[str, str], Any]) -> None:
        self._parts, self._add = parts, add
        self.base = _list("base", parts.bases, "latin small g")
        self.mark = _list("mark", parts.marks, "horn")
        tip = "Add a class with this description, whether or not there is such a letter"
        self.compose = button("Add letter", tip, self._composed, name="kv-compose")
        self.empty = button(
            "Add class", "Add a class, and write its text", lambda: add("", ""), name="kv-add"
        )
        composing = [self.base, self.mark, self.compose] if parts.marks else []
        super().__init__([self.empty, *composing])
        self.add_class("kv-row")

    def _composed(self) -> None:
        base, mark = self.base.value.strip(), self.mark.value.strip()
        if base:
            self._add(*self._parts.compose(base, mark))


def _list(name: str, options: tuple[str, ...], example: str) -> ipywidgets.Combobox:
    made = ipywidgets.Combobox(
        placeholder=f"{name}: {example}",
        options=options,
        continuous_update=True,
        tooltip=f"The {name} of a letter; known ones are listed while you type",
        layout={"width": "190px"},
    )
    made.add_class(f"kv-{name}")
    return made


def known_words(vocabulary: Reader) -> ipywidgets.HTML:
    """Return the words that were trained on, folded away."""
    listed, summary = html.escape(" ".join(vocabulary.words)), html.escape(vocabulary.summary)
    made = ipywidgets.HTML(f"<details><summary>{summary}</summary><p>{listed}</p></details>")
    made.add_class("kv-known-words")
    return made


def legend() -> ipywidgets.HTML:
    """Return what the shading of words means."""
    made = ipywidgets.HTML(f'<span class="kv-idle">{_LEGEND}</span>')
    made.add_class("kv-said")
    return made

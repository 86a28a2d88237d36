"""Dashboard from descriptions of classes to a network, edited as one watches."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
from traitlets import Float, Int, Unicode, validate

from kshot_viz.checks import check, checked, instance, mapping, number, optional, text, whole
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.errors import KShotValueError
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.text import counted
from kshot_viz.viz.words.described_figure import accuracy_text, described_findings, draw_described
from kshot_viz.widgets.base.background import Background
from kshot_viz.widgets.base.parts import Dashboard, Status, column, heading, row
from kshot_viz.widgets.words.class_rows import ClassRows
from kshot_viz.widgets.words.exports import downloads, save_network
from kshot_viz.widgets.words.predictions import Thumbnails, evidence_html, shared_text
from kshot_viz.widgets.words.prototype_canvas import PrototypeCanvas
from kshot_viz.widgets.words.word_controls import Compose, WordControls, known_words, legend
from kshot_viz.words.blend import PRIOR_COUNT
from kshot_viz.words.descriptions import describe
from kshot_viz.words.evidence.word_evidence import check_measure
from kshot_viz.words.files import BUNDLED_WORDS
from kshot_viz.words.letters.parts import LetterParts
from kshot_viz.words.network import as_words
from kshot_viz.words.preview import Outcome, Preview, Settings
from kshot_viz.words.troubles import check_texts, find_troubles
from kshot_viz.words.words import Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

CHOICES = ("shot", "prior_count", "evidence")
# Keys that follow each other so quickly are one edit.
_SETTLED = 0.04
_STAYS = "The network is still that of the last texts that could be used."
_NONE = "There is no network yet: the messages at the texts say why."


class WordsToNetwork(Dashboard):
    """Texts of classes that can be edited, and the network they make, at once on given images.

    Classes are added, removed and renamed; those without images can be invented. The words of each
    text are shaded by what they do for their class. A picture has the images' features as points
    on two principal components of these, which no text changes, and the prototype of each class
    among them as a star: the network gives an image the class of the nearest prototype.

    Parameters
    ----------
    backbone : Backbone
        The network that ``words`` were trained for.
    images : ImageDataset
        Labelled images whose predictions are shown.
    descriptions : mapping of str to str, optional
        Class -> text, :func:`kshot_viz.describe` of the images by default. Images of classes
        without one count for no accuracy.
    words : Words, str or pathlib.Path
        Trained words, or what :func:`kshot_viz.words.load_words` takes.
    support : ImageDataset, optional
        Other images of the same classes, of which the first k join the description of each.
    shot, prior_count, evidence
        To begin with; see below.

    Attributes
    ----------
    shot : int
        k, from 0 to what every class in ``support`` has.
    prior_count : float
        How many images a description counts as, as in
        :func:`kshot_viz.words.network_from_words_and_images`; by default the words' own.
    evidence : {"shapley", "without", "gradient"}
        What shades a word, as :func:`kshot_viz.words.word_evidence` measures it, of descriptions
        alone; by default Shapley values, or ``"without"`` where texts are read as a whole.
        Traits: set them, or let the controls do it.

    Raises
    ------
    KShotError
        For words of another backbone, and arguments that cannot be used. Texts that cannot be used
        are said so in the dashboard, also at first; the last network that there was stays.

    Examples
    --------
    >>> import kshot_viz as kv
    >>> digits = kv.load_dataset("digits").take(range(20))
    >>> texts = {"0": "latin capital o", "1": "latin small l"}
    >>> shown = kv.WordsToNetwork(kv.load_backbone("glyphnet"), digits, texts)
    >>> shown.network.notes["classes"]
    ['0', '1']
    """

    children: Any
    shot = Int(0)
    prior_count = Float(PRIOR_COUNT)
    evidence = Unicode("without")
    _good: tuple[dict[str, str], dict[str, str]] | None = None

    @checked(
        backbone=BACKBONE,
        images=instance(ImageDataset),
        descriptions=optional(mapping),
        support=optional(instance(ImageDataset)),
        shot=whole(0),
        prior_count=optional(number(0, above=True)),
        evidence=optional(text),
    )
    def __init__(
        self,
        backbone: Backbone,
        images: ImageDataset,
        descriptions: Mapping[str, str] | None = None,
        *,
        words: Words | str | Path = BUNDLED_WORDS,
        support: ImageDataset | None = None,
        shot: int = 0,
        prior_count: float | None = None,
        evidence: str | None = None,
    ) -> None:
        texts = describe(images) if descriptions is None else dict(descriptions)
        check_texts(texts)
        self._preview = Preview(backbone, trained := as_words(words), images, support)
        self._outcome: Outcome | None = None
        self._evidence: dict[tuple[str, str], str] = {}
        self._lock = threading.RLock()
        count = float(prior_count or trained.prior_count)
        measure = trained.vocabulary.evidence[0] if evidence is None else evidence
        super().__init__(shot=shot, prior_count=count, evidence=measure)
        self._thumbnails = Thumbnails(images)
        self._shared = shared_text(images, support)
        self._make_parts()
        self._work = Background(self.status.error)
        self._working = (self._work,)
        self.rows.fill(texts)
        self._work.wait()
        self.observe(lambda _: self._ask(), names=list(CHOICES))

    # ---- actions -----------------------------------------------------------------------------

    def edit(self, descriptions: Mapping[str, str]) -> None:
        """Have other classes and texts; what cannot be used is said at its text."""
        check("descriptions", descriptions, mapping)
        check_texts(descriptions)
        self.rows.fill(descriptions)

    def add(self, name: str = "", text: str = "") -> None:
        """Add a class, with or without images of it."""
        self.rows.add(name, text)

    def save(self, folder: str | Path) -> Path:
        """Write the network, for :func:`kshot_viz.load_classifier`, and ``descriptions.json``.

        Raises
        ------
        KShotFileError
            If the folder cannot be written.
        """
        check("folder", folder, instance(str, Path))
        return save_network(self.outcome, folder)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last edit is computed and shown; return whether it is."""
        return self._work.wait(timeout)

    # ---- what it shows -----------------------------------------------------------------------

    @property
    def outcome(self) -> Outcome:
        """The last network that there was, with its predictions."""
        if self._outcome is None:
            raise KShotValueError(_NONE)
        return self._outcome

    @property
    def network(self) -> Backbone:
        """The network: an ordinary backbone with its head."""
        return self.outcome.network()

    @property
    def descriptions(self) -> dict[str, str]:
        """The texts that the network is made of."""
        return dict(self.outcome.descriptions)

    def frame(self) -> pd.DataFrame:
        """Return the predictions, one row for each image and head; see :meth:`Outcome.frame`."""
        return self.outcome.frame()

    def word_frame(self) -> pd.DataFrame:
        """Return the evidence that is shown, one row a word."""
        return self.outcome.word_frame()

    def findings(self) -> list[str]:
        """Return what is shown as sentences, for :func:`kshot_viz.viz.findings_text`."""
        return described_findings(self.outcome)

    def figure(self) -> Figure:
        """Return texts, predictions and prototypes as one figure."""
        return draw_described(self.outcome)

    def __repr__(self) -> str:
        said = accuracy_text(self._outcome) if self._outcome else _NONE
        return f"WordsToNetwork: {said}"

    # ---- inside ------------------------------------------------------------------------------

    @validate(*CHOICES)
    def _known_only(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        most = self._preview.most_shots
        if name == "shot" and not 0 <= value <= most:
            raise KShotValueError(
                f"`shot` must be 0 to {most}, which every class of `support` has; not {value}."
            )
        if name == "prior_count":
            check("prior_count", value, number(0, above=True))
        if name == "evidence":
            check_measure(value, self._preview.words.vocabulary)
        return value

    @property
    def _settings(self) -> Settings:
        return Settings(self.shot, self.prior_count, self.evidence)

    def _edited(self) -> None:
        """Say what is wrong with the texts, or make their network."""
        pairs = self.rows.pairs
        troubles = find_troubles(self.rows.typed, self._preview.words.vocabulary)
        with self._lock:
            self.rows.tell(troubles, self._evidence)
            stays = _STAYS if self._outcome else _NONE
            if troubles:
                said = f"{counted(len(troubles), 'text')} cannot be used yet. {stays}"
                wrong = any(not one.began for one in troubles.values())
                (self.status.error if wrong else self.status.idle)(said)
            elif len(pairs) < 2:
                self.status.error(f"At least two classes are needed. {stays}")
            else:
                self._good = dict(pairs), self.rows.renamed()
                self._ask()

    def _ask(self) -> None:
        """Make the network of the last texts that could be used."""
        if self._good is None:
            return
        texts, renamed = self._good
        work = partial(self._preview.outcome, texts, self._settings, renamed)
        self._work.start(work, self._show, rest=_SETTLED)

    def _show(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcome = outcome
            self.predictions.value = self._thumbnails.html(outcome)
            self.canvas.show(outcome)
            named = enumerate(outcome.descriptions.items())
            self._evidence = {pair: evidence_html(outcome, number) for number, pair in named}
            self.accuracy.done(accuracy_text(outcome) + self._shared)
            # The texts may have changed meanwhile: then the message at them is not taken away.
            if self.rows.pairs == list(outcome.descriptions.items()):
                self.rows.tell({}, self._evidence)
                self.status.idle()

    def _make_parts(self) -> None:
        vocabulary = self._preview.words.vocabulary
        self.status, self.accuracy = Status(), Status()
        self.rows = ClassRows(self._preview.images.classes, self._edited)
        self.controls = WordControls(self._settings, self._preview.most_shots, vocabulary.evidence)
        self.compose = Compose(LetterParts(vocabulary), self.add)
        self.predictions = ipywidgets.HTML()
        self.predictions.add_class("kv-predictions-holder")
        self.canvas = PrototypeCanvas()
        for name in CHOICES:
            ipywidgets.link((self, name), (getattr(self.controls, name), "value"))
        words = self._preview.words.record["backbone"]["name"]
        buttons = downloads(lambda: self.outcome, self.status.error)
        left = column(
            heading("Descriptions"),
            legend(),
            self.rows,
            self.compose,
            known_words(vocabulary),
            name="kv-left",
        )
        right = column(
            self.accuracy, self.predictions, heading("Prototypes"), self.canvas, name="kv-left"
        )
        self.add_class("kv-words")
        self.children = [
            *self.children,
            row(heading(f"From words to a network, on {words}"), row(*buttons), name="kv-head"),
            self.controls,
            self.status,
            row(left, right, name="kv-split"),
        ]

"""Where the new head starts: at the prototypes of descriptions, with or without images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from kshot_viz.checks import check, instance, mapping, number, optional
from kshot_viz.errors import KShotError, KShotValueError
from kshot_viz.models.head_init import HeadInit, HeadStart, fill_head, head_features
from kshot_viz.models.inputs.support import Support
from kshot_viz.records import record_digest
from kshot_viz.words.blend import blend
from kshot_viz.words.descriptions import matched
from kshot_viz.words.files import BUNDLED_WORDS, check_found_alone, load_words, words_digest
from kshot_viz.words.words import Words

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

KIND = "words"
# Stands for the words' own count.
CHOSEN: Literal["chosen"] = "chosen"


@dataclass(frozen=True)
class HeadFromWords(HeadStart):
    """The head is made of descriptions of the classes, and of the support's images.

    The prototype of a class is ``(n0 p + sum of features) / (n0 + k)``: its description counts as
    much as ``n0`` images. Without images it is ``p``.

    Attributes
    ----------
    descriptions : mapping of str to str
        Class -> text, of all classes that an episode may have.
    words : str
        ``"glyphnet-words"`` or a file that :meth:`kshot_viz.words.Words.save` wrote; not of words
        that need a function, which no file holds.
    prior_count : float, "chosen" or None
        n0; ``"chosen"`` becomes :attr:`Words.prior_count`, which the training of the words chose on
        classes of its own. None leaves the images out.
    digest : str
        Of the words' files, read when this is made; records have it, so rows that other words of
        the same name gave are not taken for these.

    Examples
    --------
    >>> import kshot_viz as kv
    >>> from kshot_viz.methods.plain import Plain
    >>> from kshot_viz.words import HeadFromWords
    >>> data = kv.load_dataset("letters", per_class=2)
    >>> method = Plain(head=HeadFromWords(kv.describe(data)))
    """

    descriptions: Mapping[str, str]
    words: str = BUNDLED_WORDS
    prior_count: float | Literal["chosen"] | None = CHOSEN
    digest: str = field(default="", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        check("descriptions", self.descriptions, mapping)
        check("words", self.words, instance(str))
        object.__setattr__(self, "descriptions", matched(self.descriptions, self.descriptions))
        check("digest", self.digest, instance(str))
        if not self.digest:
            object.__setattr__(self, "digest", words_digest(self.words))
            check_found_alone(self.words)
        if self.prior_count == CHOSEN:
            object.__setattr__(self, "prior_count", load_words(self.words).prior_count)
        check("prior_count", self.prior_count, optional(number(0, above=True)))

    def __hash__(self) -> int:
        return hash(record_digest(self.to_dict()))

    def unfit(self, network: Backbone) -> str:
        """Return why these words cannot be used on a network, or ``""``."""
        try:
            load_words(self.words).check(network)
        except KShotError as error:
            return str(error)
        return ""

    def fill(self, network: Backbone, support: Support) -> None:
        """Set the head of a network in place.

        Raises
        ------
        KShotKeyError
            For words that are unknown, with the nearest known.
        KShotValueError
            For a class without a description, two with the same, another backbone, or files of
            words that have changed since.
        """
        if words_digest(self.words) != self.digest:
            raise KShotValueError(
                f"the words {self.words!r} are not those that this HeadFromWords was made with: "
                f"their files have changed. Make a new one, or bring the files back."
            )
        trained = load_words(self.words)
        trained.check(network)
        prototypes = trained.prototypes(self._of(support))
        if self.prior_count is not None and len(support.targets):
            prototypes = self._blended(trained, prototypes, network, support)
        fill_head(network, *trained.encoder.head.linear(prototypes))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "kind": KIND,
            "descriptions": dict(self.descriptions),
            "words": self.words,
            "prior_count": self.prior_count,
            "digest": self.digest,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> HeadFromWords:
        """Rebuild what :meth:`to_dict` made."""
        return cls(**{name: value for name, value in record.items() if name != "kind"})

    def _of(self, support: Support) -> dict[str, str]:
        classes = [str(one) for one in support.classes]
        lacking = [one for one in classes if one not in self.descriptions]
        if lacking:
            raise KShotValueError(
                f"`descriptions` has no text for {', '.join(map(repr, lacking[:8]))}; it has "
                f"{len(self.descriptions)} classes."
            )
        return {one: self.descriptions[one] for one in classes}

    def _blended(
        self, trained: Words, prototypes: Tensor, network: Backbone, support: Support
    ) -> Tensor:
        assert isinstance(self.prior_count, float | int)
        features = head_features(network, support.inputs).float().cpu()
        features = trained.encoder.head.standardise(features)
        targets = support.targets.cpu()
        sums = torch.zeros_like(prototypes).index_add_(0, targets, features)
        counts = targets.bincount(minlength=len(prototypes))
        return blend(prototypes, sums, counts, self.prior_count)


def head_start(record: Mapping[str, Any]) -> HeadStart:
    """Rebuild the start of a head from its plain JSON values."""
    kind = HeadFromWords if record.get("kind") == KIND else HeadInit
    return kind.from_dict(record)

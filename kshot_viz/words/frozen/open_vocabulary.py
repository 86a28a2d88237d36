"""Descriptions as vectors of a frozen text encoder: every word can be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from kshot_viz.words.frozen.encoder import PROBE, TextEncoder
from kshot_viz.words.modules.text2label import Text2Label
from kshot_viz.words.reader import Reader
from kshot_viz.words.tokens import WORD, split_words

# Vectors of so many texts are kept, so that an edit encodes only what it changed.
_KEPT = 4096


@dataclass(frozen=True, eq=False)
class OpenVocabulary(Reader):
    """Whole texts, read by a frozen text encoder.

    Attributes
    ----------
    words : tuple of str
        Distinct words of the descriptions that were trained on; others are read too.
    encoder : TextEncoder
        What reads them.
    """

    words: tuple[str, ...]
    encoder: TextEncoder
    sees_order: ClassVar[bool] = True
    evidence: ClassVar[tuple[str, ...]] = ("without",)
    _kept: dict[str, Tensor] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, texts: Iterable[str], encoder: TextEncoder) -> OpenVocabulary:
        """Collect the words of the texts to train on."""
        return cls(tuple(sorted({word for text in texts for word in split_words(text)})), encoder)

    def __contains__(self, word: object) -> bool:
        return True

    def __str__(self) -> str:
        return f"texts read by {self.encoder.name!r}"

    @property
    def summary(self) -> str:
        """How many words were trained on."""
        return f"All words are read; the {len(self.words):,} words trained on"

    @property
    def record(self) -> dict[str, Any]:
        """``encoder``: its name, digest and dimension."""
        return {"encoder": self.encoder.to_dict()}

    def split(self, text: str) -> list[str]:
        """Return the words of a text, in lower case."""
        return [word.casefold() for word in WORD.findall(text)]

    def encode(self, descriptions: Mapping[str, str]) -> Tensor:
        """Return the vectors of descriptions, float32 ``(classes, dimension)``."""
        return self.encode_known(list(descriptions.values()))

    def encode_known(self, texts: Sequence[str]) -> Tensor:
        """Return the vectors of texts; one without a word gets zeros.

        Texts are encoded once: their vectors are kept.
        """
        known = self._kept
        wanted = dict.fromkeys(text for text in texts if WORD.search(text))
        # Another thread may take one away at any time.
        found = {text: one for text in wanted if (one := known.get(text)) is not None}
        new = [text for text in wanted if text not in found]
        found |= dict(zip(new, self.encoder(new), strict=True))
        known.update((text, found[text]) for text in new)
        for text in list(known)[: max(0, len(known) - _KEPT)]:
            known.pop(text, None)
        nothing = torch.zeros(self.encoder.dimension)
        return torch.stack([found.get(text, nothing) for text in texts])

    def shorter(self, texts: Sequence[str]) -> list[Tensor]:
        """Return for each text the vectors of it without each of its words in turn."""
        parts = [_without_each(text) for text in texts]
        vectors = self.encode_known([one for part in parts for one in part])
        return list(vectors.split([len(part) for part in parts]))

    def to_label(self, width: int, trained_on: Tensor | None = None) -> Text2Label:
        """Make the projection of vectors; its scale is that of the texts to train on."""
        made = Text2Label(self.encoder.dimension, width)
        if trained_on is not None:
            made.take_scale(trained_on)
            made.probe.copy_(self.encoder([PROBE])[0])
        return made


def _without_each(text: str) -> list[str]:
    spans = [found.span() for found in WORD.finditer(text)]
    return [" ".join(f"{text[:start]}{text[stop:]}".split()) for start, stop in spans]

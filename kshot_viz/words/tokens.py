"""The words of a text, and the words that a trained encoder knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.words.modules.tokens2label import PADDING, Tokens2Label
from kshot_viz.words.reader import Reader

# Nearly every Unicode name has it, so descriptions of characters leave it out; names may be pasted.
_SILENT = frozenset({"letter"})
_LISTED = 8
WORD = re.compile(r"[^\W_]+")


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case; whatever is no letter and no digit separates."""
    return WORD.findall(text.casefold())


@dataclass(frozen=True)
class Vocabulary(Reader):
    """The words that have a learned embedding; number 0 is the padding.

    Attributes
    ----------
    words : tuple of str
        Distinct, in the order of their numbers, which begin at 1.
    """

    words: tuple[str, ...]
    sees_order: ClassVar[bool] = False
    evidence: ClassVar[tuple[str, ...]] = ("shapley", "without", "gradient")

    def __post_init__(self) -> None:
        if len(set(self.words)) != len(self.words) or not self.words:
            raise KShotValueError("`words` of a Vocabulary must be distinct, and at least one.")

    @classmethod
    def of(cls, texts: Iterable[str]) -> Vocabulary:
        """Collect the words of texts, in alphabetical order."""
        return cls(tuple(sorted({word for text in texts for word in split_words(text)})))

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._numbers

    def __str__(self) -> str:
        return f"{len(self):,} words"

    @property
    def summary(self) -> str:
        """How many words are known."""
        return f"The {len(self):,} known words"

    @property
    def record(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def split(self, text: str) -> list[str]:
        """Return the words of a text; "letter" is left out where it is no known word."""
        return [word for word in split_words(text) if word in self or word not in _SILENT]

    def encode(self, descriptions: Mapping[str, str]) -> Tensor:
        """Return the numbers of the words of each description, int64 ``(classes, longest)``.

        Raises
        ------
        KShotKeyError
            Names the words that are unknown, and the known word nearest to each.
        """
        unknown = [
            (name, word)
            for name, text in descriptions.items()
            for word in self.split(text)
            if word not in self._numbers
        ]
        if unknown:
            raise self._unknown(unknown)
        return self.encode_known(list(descriptions.values()))

    def encode_known(self, texts: Sequence[str]) -> Tensor:
        """Encode texts, leaving out the words that are unknown."""
        rows = [
            [self._numbers[word] for word in split_words(text) if word in self._numbers]
            for text in texts
        ]
        return padded(rows)

    def shorter(self, texts: Sequence[str]) -> list[Tensor]:
        """Return for each text its numbers with one word left out, ``(words, longest)``."""
        return [fewer_tokens(row) for row in self.encode_known(texts)]

    def to_label(self, width: int, trained_on: Tensor | None = None) -> Tokens2Label:
        """Make the embeddings and their pooling; they need no scale."""
        return Tokens2Label(len(self), width)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, start=1)}

    def _unknown(self, found: Sequence[tuple[str, str]]) -> KShotKeyError:
        said = [
            f"{word!r} of {name!r} (nearest known: {self.nearest(word)!r})"
            for name, word in found[:_LISTED]
        ]
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        return KShotKeyError(
            f"`descriptions` use words that these words were not trained on: {'; '.join(said)}"
            f"{more}. `words.vocabulary.words` lists the {len(self):,} known ones."
        )


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """Bring rows of numbers to one length, at least 1, with :data:`PADDING` at their ends."""
    longest = max([1, *(len(row) for row in rows)])
    return torch.tensor([[*row, *[PADDING] * (longest - len(row))] for row in rows])


def fewer_tokens(row: Tensor) -> Tensor:
    """Return the numbers of a description (T,) once for each of its words, without it, (words, T).

    What is left out becomes padding.
    """
    return row.repeat(int((row != PADDING).sum()), 1).fill_diagonal_(PADDING)

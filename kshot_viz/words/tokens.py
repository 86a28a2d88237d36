"""The words of a text, and the words that a trained encoder knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import torch
from torch import Tensor

from kshot_viz.errors import KShotKeyError, KShotValueError

PADDING = 0
# Nearly every Unicode name has it, so descriptions of characters leave it out; names may be pasted.
_SILENT = frozenset({"letter"})
_LISTED = 8


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case; whatever is no letter and no digit separates."""
    return re.findall(r"[^\W_]+", text.casefold())


@dataclass(frozen=True)
class Vocabulary:
    """The words that have an embedding; number 0 is the padding.

    Attributes
    ----------
    words : tuple of str
        Distinct, in the order of their numbers, which begin at 1.
    """

    words: tuple[str, ...]

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

    def nearest(self, word: str) -> str:
        """Return the known word that is written most alike."""
        return get_close_matches(word, self.words, n=1, cutoff=0)[0]

    def beginning(self, letters: str) -> list[str]:
        """Return the known words that begin with these letters."""
        return [word for word in self.words if word.startswith(letters)]

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

"""What turns descriptions into the tensor that the hyper-network begins with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar

from torch import Tensor, nn


class Reader(ABC):
    """Reads descriptions: words that have a learned embedding each, or whole texts.

    Below, ``...`` is what one description becomes: the numbers of its words, or one vector.

    Attributes
    ----------
    words : tuple of str
        Distinct words of the descriptions that were trained on.
    sees_order : bool
        Whether the same words in another order are another description.
    evidence : tuple of str
        The measures of :func:`kshot_viz.words.word_evidence` that there are.
    """

    words: tuple[str, ...]
    sees_order: ClassVar[bool]
    evidence: ClassVar[tuple[str, ...]]

    @property
    @abstractmethod
    def summary(self) -> str:
        """What :attr:`words` are to a user."""

    @property
    @abstractmethod
    def record(self) -> dict[str, Any]:
        """What records of a training say of it; nothing of words that the training makes."""

    @abstractmethod
    def __contains__(self, word: object) -> bool: ...

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """Return the words of a text that can be left out, in lower case."""

    @abstractmethod
    def encode(self, descriptions: Mapping[str, str]) -> Tensor:
        """Return ``(classes, ...)``; a KShotKeyError names words that cannot be read."""

    @abstractmethod
    def encode_known(self, texts: Sequence[str]) -> Tensor:
        """Encode texts, leaving out the words that cannot be read."""

    @abstractmethod
    def shorter(self, texts: Sequence[str]) -> list[Tensor]:
        """Return for each text ``(words, ...)``: it without each of its words in turn."""

    @abstractmethod
    def to_label(self, width: int, trained_on: Tensor | None = None) -> nn.Module:
        """Make what maps encoded texts ``(N, ...)`` to label embeddings ``(N, width)``.

        Parameters
        ----------
        width : int
        trained_on : Tensor, optional
            Encoded texts that a fixed scale, where there is one, is taken from.
        """

    def nearest(self, word: str) -> str:
        """Return the one of :attr:`words` that is written most alike."""
        return get_close_matches(word, self.words, n=1, cutoff=0)[0]

    def beginning(self, letters: str) -> list[str]:
        """Return those of :attr:`words` that begin with these letters."""
        return [word for word in self.words if word.startswith(letters)]

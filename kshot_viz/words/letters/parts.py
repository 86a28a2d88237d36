"""Letters and marks to compose a description of: those whose words are known."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property

from kshot_viz.words.descriptions import character_name
from kshot_viz.words.reader import Reader
from kshot_viz.words.tokens import split_words

_WITH = " with "
# The letters of all scripts that the bundled words were trained on lie before it.
_END = 0x3000


@dataclass(frozen=True)
class LetterParts:
    """Parts of names of letters, such as ``"latin small a"`` and ``"acute"``.

    Attributes
    ----------
    vocabulary : Reader
        Its words, those of the descriptions trained on, are the ones that a name may have.
    """

    vocabulary: Reader

    @cached_property
    def letters(self) -> dict[str, str]:
        """Name in words -> letter, of all letters whose words are known."""
        points = (chr(point) for point in range(_END))
        named = {character_name(one): one for one in points if unicodedata.category(one)[0] == "L"}
        known = set(self.vocabulary.words)
        return {name: one for name, one in named.items() if known.issuperset(split_words(name))}

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """Names of letters without a mark, in the order of their code points."""
        return tuple(name for name in self.letters if _WITH not in name)

    @cached_property
    def marks(self) -> tuple[str, ...]:
        """Marks that some letter has, in alphabetical order."""
        found = {name.partition(_WITH)[2] for name in self.letters if _WITH in name}
        return tuple(sorted(found))

    def compose(self, base: str, mark: str = "") -> tuple[str, str]:
        """Return a letter and its description; the letter is empty where there is none."""
        text = f"{base}{_WITH}{mark}" if mark else base
        return self.letters.get(text, ""), text

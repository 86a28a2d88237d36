"""What keeps texts of classes from being descriptions, said at the text that it belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kshot_viz.checks import check, text
from kshot_viz.text import counted, isolated
from kshot_viz.words.reader import Reader

_LISTED = 6


@dataclass(frozen=True)
class Trouble:
    """Why a text cannot be used.

    Attributes
    ----------
    text : str
        A sentence.
    repaired : str
        The text with the known words nearest to those that are unknown; empty where that does not
        help.
    began : bool
        Whether the text only ends within a word, as while it is being typed.
    """

    text: str
    repaired: str = ""
    began: bool = False


def find_troubles(rows: Sequence[tuple[str, str]], vocabulary: Reader) -> dict[int, Trouble]:
    """Find what is wrong with names and texts of classes.

    Parameters
    ----------
    rows : sequence of (str, str)
        Name and text of each class.
    vocabulary : Reader
        The words that are known.

    Returns
    -------
    dict of int to Trouble
        By the number of the row; none where all can be used, as far as there are two.
    """
    found: dict[int, Trouble] = {}
    names: set[str] = set()
    seen: dict[tuple[str, ...], str] = {}
    for number, (name, sentence) in enumerate(rows):
        words = vocabulary.split(sentence)
        compared = tuple(words if vocabulary.sees_order else sorted(words))
        same = seen.get(compared)
        if not name:
            found[number] = Trouble("The class needs a name.")
        elif name in names:
            found[number] = Trouble(f"Another class has the name {isolated(name)!r} already.")
        elif not words:
            found[number] = Trouble("A description is needed: what does this class look like?")
        elif any(word not in vocabulary for word in words):
            found[number] = _unknown(sentence, vocabulary)
        elif same is not None:
            found[number] = Trouble(
                f"These are the words of {isolated(same)!r}: nothing tells the two classes from "
                f"each other.{'' if vocabulary.sees_order else ' Word order is not seen.'}"
            )
        names.add(name)
        seen.setdefault(compared, name)
    return found


def check_texts(descriptions: Mapping[str, str]) -> None:
    """Raise a KShotValueError for a class or a description that is no text at all."""
    for name, one in descriptions.items():
        check("class", name, text)
        check(f"descriptions[{name!r}]", one, text)


def _unknown(sentence: str, vocabulary: Reader) -> Trouble:
    words = vocabulary.split(sentence)
    unknown, last = list(dict.fromkeys(one for one in words if one not in vocabulary)), words[-1]
    further = vocabulary.beginning(last) if unknown == [last] else []
    if further and sentence[-1:].isalnum():
        return _begun(sentence, last, further)
    nearest = {word: vocabulary.nearest(word) for word in unknown}
    said = [f"{one!r} (nearest known: {near!r})" for one, near in nearest.items()]
    more = f" and {len(said) - _LISTED} more" if len(said) > _LISTED else ""
    what = "is no known word" if len(said) == 1 else "are no known words"
    return Trouble(f"{', '.join(said[:_LISTED])}{more} {what}.", _with_known(sentence, nearest))


def _begun(sentence: str, last: str, further: Sequence[str]) -> Trouble:
    listed = ", ".join(further[:_LISTED])
    more = f" and {len(further) - _LISTED} more" if len(further) > _LISTED else ""
    begins = "begins" if len(further) == 1 else "begin"
    return Trouble(
        f"{counted(len(further), 'known word')} {begins} with {last!r}: {listed}{more}",
        _with_known(sentence, {last: further[0]}),
        began=True,
    )


def _with_known(sentence: str, known: dict[str, str]) -> str:
    return re.sub(r"[^\W_]+", lambda one: known.get(one[0].casefold(), one[0]), sentence)

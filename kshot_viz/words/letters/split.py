"""The split of described letters by their names alone, the same in every run.

Held out are combinations of a letter and a mark, and, as harder sets, whole letters and scripts.
"""

from __future__ import annotations

from collections.abc import Mapping

from kshot_viz.records import content_digest

PARTS = ("train", "validation", "combinations", "bases", "scripts")
UNSEEN_BASES = ("e", "s", "k", "eta")
UNSEEN_SCRIPTS = ("armenian", "georgian", "tifinagh")
_HELD_OUT_PERCENT = 28
_VALIDATION_PERCENT = 25
# Words of a name that say which form of a letter it is, not which letter.
_FORMS = {"capital", "small"}


def split_letters(descriptions: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Split described letters into a part to train on and four that are held out.

    Parameters
    ----------
    descriptions : mapping of str to str
        Letter -> its name in words, as :func:`kshot_viz.words.describe` gives it.

    Returns
    -------
    dict of str to tuple of str
        The letters of each of :data:`PARTS`, in the order of ``descriptions``:

        ``"train"``
        ``"validation"`` and ``"combinations"``
            Letters "X with Y": X is in training, alone or with other marks, and Y is, with other
            letters; the two never are together, in neither case: capital and small are always in
            the same part.
        ``"bases"``
            All letters named :data:`UNSEEN_BASES`, with and without marks.
        ``"scripts"``
            All letters of :data:`UNSEEN_SCRIPTS`.
    """
    names = {letter: text.casefold() for letter, text in descriptions.items()}
    fixed = {letter: part for letter, name in names.items() if (part := _fixed_part(name))}
    free = {letter: name for letter, name in names.items() if letter not in fixed}
    trained = [name for name in free.values() if not _is_drawn(name)]
    bases = {_base(name) for name in trained}
    marks = {_mark(name) for name in trained}
    unknown = {
        _combination(name)
        for name in free.values()
        if _base(name) not in bases or _mark(name) not in marks
    }
    parts = dict(fixed)
    for letter, name in free.items():
        held_out = _is_drawn(name) and _combination(name) not in unknown
        parts[letter] = _held_out_part(name) if held_out else "train"
    return {part: tuple(one for one in names if parts[one] == part) for part in PARTS}


def _fixed_part(name: str) -> str:
    words = name.split()
    if words[:1] and words[0] in UNSEEN_SCRIPTS:
        return "scripts"
    letter = [word for word in _base(name).split()[1:] if word not in _FORMS]
    return "bases" if " ".join(letter) in UNSEEN_BASES else ""


def _is_drawn(name: str) -> bool:
    return bool(_mark(name)) and _percent("held out", name) < _HELD_OUT_PERCENT


def _held_out_part(name: str) -> str:
    validates = _percent("validation", name) < _VALIDATION_PERCENT
    return "validation" if validates else "combinations"


def _percent(purpose: str, name: str) -> int:
    return int(content_digest([f"{purpose} {_combination(name)}"]), 16) % 100


def _combination(name: str) -> str:
    """Return what both cases of a letter with a mark share, and names of the same words."""
    return " ".join(sorted(word for word in name.split() if word not in _FORMS))


def _base(name: str) -> str:
    return name.partition(" with ")[0]


def _mark(name: str) -> str:
    return name.partition(" with ")[2]

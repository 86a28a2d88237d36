"""Which described classes are trained on, and which are held out, where the caller does not say."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

from kshot_viz.checks import check
from kshot_viz.checks import names as names_rule
from kshot_viz.errors import KShotValueError
from kshot_viz.records import content_digest
from kshot_viz.words.descriptions import character_name
from kshot_viz.words.letters.split import split_letters
from kshot_viz.words.tokens import split_words

_HELD_OUT_PERCENT = 15


def default_parts(descriptions: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Split classes by their descriptions alone, so the split is the same in every run.

    Characters described by their Unicode names are split as :func:`split_letters` says, which
    also leaves out whole letters and scripts. Of other classes about 15 % are held out
    for validation, among those whose words all describe training classes too.
    """
    if all(_is_named(*pair) for pair in descriptions.items()):
        return split_letters(descriptions)
    uses = Counter(word for text in descriptions.values() for word in set(split_words(text)))
    held_out = []
    for name, text in descriptions.items():
        words = set(split_words(text))
        drawn = int(content_digest([f"validation {text}"]), 16) % 100 < _HELD_OUT_PERCENT
        if drawn and all(uses[word] > 1 for word in words):
            held_out.append(name)
            uses.subtract(words)
    trained = tuple(name for name in descriptions if name not in set(held_out))
    return {"train": trained, "validation": tuple(held_out)}


def _is_named(character: str, text: str) -> bool:
    if len(character) != 1 or not unicodedata.name(character, ""):
        return False
    return split_words(text) == split_words(character_name(character))


def checked_parts(
    parts: Mapping[str, Iterable[str]], classes: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Check a split that the caller gives.

    Raises
    ------
    KShotValueError
        If there are fewer than two training classes, a name is no class, or a class is in two
        parts.
    """
    for part, names in parts.items():
        check(f"parts[{part!r}]", names, names_rule)
    known = set(classes)
    found = {str(part): tuple(names) for part, names in parts.items()}
    if len(found.get("train", ())) < 2:
        raise KShotValueError('`parts["train"]` must name at least two classes.')
    seen: set[str] = set()
    for part, names in found.items():
        for name in names:
            if name not in known or name in seen:
                why = "twice in `parts`" if name in seen else "no class of the data"
                raise KShotValueError(f"{name!r} of `parts[{part!r}]` is {why}.")
            seen.add(name)
    return found

"""Texts that say what the classes of a data set are."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from kshot_viz.checks import checked, instance
from kshot_viz.data.class_texts import IN_CLASS_FOLDER, IN_ONE_FILE, read_class_texts
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.folder import dataset_folder
from kshot_viz.errors import KShotValueError
from kshot_viz.words.tokens import split_words

_LISTED = 8


@checked(data=instance(ImageDataset))
def describe(data: ImageDataset) -> dict[str, str]:
    """Return a description of every class of a data set.

    Parameters
    ----------
    data : ImageDataset
        Its own ``descriptions``, where it has them. Of a folder: ``descriptions.json`` in it holds
        one object, class -> text; or each class
        has ``class.txt`` in its folder, or a text named like the class (``cat.txt``) beside it.
        Where every class is one character: its Unicode name in words, without "LETTER".

    Returns
    -------
    dict of str to str
        In the order of ``data.classes``.

    Raises
    ------
    KShotFileError
        If a file cannot be read.
    KShotValueError
        Names classes without a description and descriptions without a class, or says how
        descriptions are given.

    Examples
    --------
    >>> import kshot_viz as kv
    >>> from kshot_viz.words import describe
    >>> describe(kv.load_dataset("digits"))["7"]
    'digit seven'
    """
    if data.descriptions:
        return matched(data.descriptions, data.classes)
    folder = dataset_folder(data)
    if folder is not None:
        return _of_folder(folder, data.classes)
    if all(len(name) == 1 and unicodedata.name(name, "") for name in data.classes):
        return {name: character_name(name) for name in data.classes}
    raise KShotValueError(
        f"the classes of {data.name!r} have no descriptions: they are not single characters, and "
        f"the images are not in a folder of class folders. Give a dict, class -> text, or "
        f"`data.described({{class: text}})`."
    )


def character_name(character: str) -> str:
    """Return the Unicode name of a character in lower case without the word "letter"."""
    words = unicodedata.name(character).lower().split()
    return " ".join(word for word in words if word != "letter")


def matched(descriptions: Mapping[str, str], classes: Iterable[str]) -> dict[str, str]:
    """Bring descriptions into the order of ``classes``.

    Raises
    ------
    KShotValueError
        Names classes without a description (or with an empty one), and descriptions without a
        class.
    """
    names = list(classes)
    known = set(names)
    lacking = [name for name in names if not _has_words(descriptions.get(name))]
    spare = [name for name in descriptions if name not in known]
    parts = {"classes without a description": lacking, "descriptions without a class": spare}
    if lacking or spare:
        said = [f"{what}: {_some(found)}" for what, found in parts.items() if found]
        raise KShotValueError(f"`descriptions` and classes do not match; {'; '.join(said)}.")
    return {name: descriptions[name] for name in names}


def _has_words(text: object) -> bool:
    return isinstance(text, str) and bool(split_words(text))


def _of_folder(folder: Path, classes: Iterable[str]) -> dict[str, str]:
    names = list(classes)
    texts = read_class_texts(folder, names)
    if not texts and not (folder / IN_ONE_FILE).is_file():
        raise KShotValueError(
            f"the folder {str(folder)!r} has no descriptions. Put {IN_ONE_FILE} (one object, "
            f"class -> text) into it, or {IN_CLASS_FOLDER} into each class folder."
        )
    return matched(texts, names)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(repr, names[:_LISTED])) + more

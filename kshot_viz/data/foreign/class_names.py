"""Class names of a data set of another library, and the number of each image's class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from kshot_viz.errors import KShotValueError, warn


def checked_names(classes: Any) -> list[str] | None:
    """Return the names of the argument ``classes``, as texts; None for None.

    Raises
    ------
    KShotValueError
        For what is no list of names.
    """
    if classes is None:
        return None
    if names := _listed(classes):
        return names
    raise KShotValueError(f"`classes` must be a list of names, by number; not {classes!r}.")


def given_names(source: Any) -> list[str]:
    """Return the class names that a data set has: torchvision's, or those of medmnist.

    A ``Subset`` has those of its whole, a ``ConcatDataset`` those of its parts. An attribute that
    is no list of names is passed over.
    """
    if parts := parts_of(source):
        return _common_names(parts)
    for attribute in ("classes", "categories", "class_to_idx"):
        value = getattr(source, attribute, None)
        if names := _by_number(value) or _listed(value):
            return names
    about = getattr(source, "info", None)
    return _by_number(about.get("label")) if isinstance(about, dict) else []


def parts_of(source: Any) -> list[Any]:
    """Return what a ``Subset`` or a ``ConcatDataset`` is made of; nothing for any other."""
    from torch.utils.data import ConcatDataset, Subset

    if isinstance(source, Subset):
        return [source.dataset]
    return list(source.datasets) if isinstance(source, ConcatDataset) else []


def named(
    given: Sequence[str], raw: Sequence[Any], *, fixed: bool = False
) -> tuple[np.ndarray, list[str]]:
    """Give targets and class names; a set without names gets its labels as names.

    Parameters
    ----------
    given : sequence of str
        Names by number.
    raw : sequence of int or str
        A label of each image.
    fixed : bool
        Numbers without a name are a KShotValueError; else the labels are the names then, and a
        warning says so if there were names.
    """
    if any(isinstance(one, str) for one in raw):
        names = list(given) or sorted({str(one) for one in raw})
        index = {one: i for i, one in enumerate(names)}
        if unknown := sorted({str(one) for one in raw} - set(index)):
            raise KShotValueError(f"labels that are in no class: {unknown[:8]}.")
        return np.array([index[str(one)] for one in raw], dtype=np.int64), names
    targets = np.asarray(raw, dtype=np.int64)
    if targets.max() >= len(given):
        _tell_dropped(given, targets, fixed)
        values, targets = np.unique(targets, return_inverse=True)
        return targets.astype(np.int64), [str(value) for value in values.tolist()]
    twice = {name for name, count in Counter(given).items() if count > 1}
    return targets, [f"{name} ({i})" if name in twice else name for i, name in enumerate(given)]


def _tell_dropped(given: Sequence[str], targets: np.ndarray, fixed: bool) -> None:
    """Raise an error for names that were an argument, warn of those that the data set has."""
    if fixed:
        raise KShotValueError(
            f"labels are numbers of `classes`, 0..{len(given) - 1}; there is {targets.max()}."
        )
    if given:
        warn(
            f"the class names of `dataset` are not used: there are {len(given)}, for the labels "
            f"0..{len(given) - 1}, and its labels are {targets.min()}..{targets.max()}. The "
            f"numbers are the names now. Give `classes=`, a name for each number from 0 on."
        )


def _listed(value: Any) -> list[str]:
    """Return the entries of a list, an array or a tensor of names as texts.

    Empty for anything else. A dict and a set have no order that says which number a name has. Of
    an entry that is a tuple of synonyms, as ImageNet's are, the first is taken.
    """
    if callable(getattr(value, "tolist", None)):
        value = value.tolist() if getattr(value, "ndim", 1) == 1 else None
    if isinstance(value, (str, bytes, Mapping, Set)) or not isinstance(value, Iterable):
        return []
    return [str(one[0] if isinstance(one, (tuple, list)) and one else one) for one in value]


def _by_number(value: Any) -> list[str]:
    """Return the names of a dict of name -> number or number -> name, in the order of numbers."""
    if not isinstance(value, Mapping):
        return []
    if all(isinstance(one, (int, np.integer)) for one in value.values()):
        return [str(name) for name in sorted(value, key=value.__getitem__)]
    if all(str(key).isdecimal() for key in value):
        return [str(value[key]) for key in sorted(value, key=int)]
    return []


def _common_names(parts: Sequence[Any]) -> list[str]:
    found = [names for names in map(given_names, parts) if names]
    if any(names != found[0] for names in found):
        raise KShotValueError(
            f"the parts of `dataset` have different class names: {found[0][:8]} and "
            f"{next(names for names in found if names != found[0])[:8]}. Bring their labels to one "
            f"numbering and give `classes=`, the names by number."
        )
    return found[0] if found else []

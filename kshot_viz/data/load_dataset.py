"""Load a data set by its name or folder."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.digits import load_digits
from kshot_viz.data.folder import load_folder, load_unlabelled
from kshot_viz.data.glyphs.load_glyphs import load_glyphs
from kshot_viz.data.torchvision_sets import load_torchvision, torchvision_names
from kshot_viz.errors import KShotKeyError, KShotValueError

_BUILT_IN: dict[str, Callable[..., ImageDataset]] = {"digits": load_digits, "glyphs": load_glyphs}


def load_dataset(name_or_path: str | Path, **options: Any) -> ImageDataset:
    """Load a labelled set of images.

    Parameters
    ----------
    name_or_path : str or pathlib.Path
        ``"digits"`` (scikit-learn's handwritten digits), ``"glyphs"`` (letters drawn from the
        fonts that come with matplotlib), a folder that holds one folder per class, or the name of
        a torchvision classification set in any case. A folder called like a built-in set is meant
        by ``"./digits"``.
    **options
        Passed to the loader: glyphs ``per_class``, ``seed``, ``homoglyphs``; folder ``skip_bad``,
        and ``labelled=False`` for a folder of images without classes, to form groups from;
        torchvision ``root``, ``download``, ``split``.

    Returns
    -------
    ImageDataset

    Raises
    ------
    KShotKeyError
        If there is no such name and no such folder; lists the names.
    KShotValueError
        If an option does not exist for this data set.
    KShotFileError
        If files are missing or cannot be read; names them.
    """
    if str(name_or_path) in _BUILT_IN:
        return _load(_BUILT_IN[str(name_or_path)], options)
    if Path(name_or_path).is_dir():
        labelled = options.pop("labelled", True)
        return _load(load_folder if labelled else load_unlabelled, options, name_or_path)
    if str(name_or_path).lower() in {name.lower() for name in torchvision_names()}:
        return _load(load_torchvision, options, name_or_path)
    raise _no_such_dataset(name_or_path)


def _load(
    loader: Callable[..., ImageDataset], options: dict[str, Any], *source: object
) -> ImageDataset:
    allowed = list(inspect.signature(loader).parameters)[len(source) :]
    for option in options:
        if option not in allowed:
            listing = ", ".join(map(repr, allowed)) or "none"
            raise KShotValueError(f"{loader.__name__} has no option {option!r}; it has {listing}.")
    return loader(*source, **options)


def _no_such_dataset(given: str | Path) -> KShotKeyError:
    names = {name.lower(): name for name in [*_BUILT_IN, *torchvision_names()]}
    close = get_close_matches(str(given).lower(), names, n=1)
    hint = f" Did you mean {names[close[0]]!r}?" if close else ""
    return KShotKeyError(
        f"there is no data set and no folder {str(given)!r}.{hint} Names: "
        f"{', '.join(names.values())}. A folder of class folders works too."
    )

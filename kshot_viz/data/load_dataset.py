"""Load a data set by its name or folder."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.folder import is_folder, load_folder, load_unlabelled
from kshot_viz.data.foreign.hugging_face_sets import is_hugging_face_dataset
from kshot_viz.data.foreign.torch_sets import is_torch_dataset
from kshot_viz.data.glyphs.letters import load_letters
from kshot_viz.data.glyphs.load_glyphs import load_glyphs
from kshot_viz.data.torchvision_sets import load_torchvision, torchvision_names
from kshot_viz.errors import KShotKeyError, KShotValueError

_NOTES = {
    "source": "scikit-learn load_digits: UCI Optical Recognition of Handwritten Digits, test part",
    "licence": "CC BY 4.0 (E. Alpaydin, C. Kaynak)",
    "frame": "8x8 enlarged to 20x20 by cubic convolution, centred in 28x28",
}


def load_digits() -> ImageDataset:
    """Load the 1797 digits as uint8 ``(1797, 28, 28, 1)``, classes "0" to "9"."""
    from sklearn.datasets import load_digits as load

    bunch = load()
    small = np.rint(bunch.images).astype(np.int64)
    return ImageDataset.from_arrays(
        _enlarge(small),
        bunch.target,
        classes=[str(d) for d in range(10)],
        name="digits",
        notes=_NOTES,
    )


def _enlarge(small: np.ndarray) -> np.ndarray:
    """Scale ``(N, 8, 8)`` integers 0..16 to uint8 ``(N, 28, 28)``.

    In whole numbers throughout, so that the pixels, and the fingerprint made of them, are the same
    on every machine.
    """
    weights = _cubic_weights()
    unit = int(weights[0].sum())
    large = weights @ small @ weights.T
    levels = (large * 255 * 2 + 16 * unit * unit) // (2 * 16 * unit * unit)
    return np.pad(np.clip(levels, 0, 255).astype(np.uint8), ((0, 0), (4, 4), (4, 4)))


def _cubic_weights(source: int = 8, target: int = 20) -> np.ndarray:
    """Build the integer matrix ``(target, source)`` of Keys' cubic convolution (1981, a = -1/2).

    Pixel centres fall on tenths of a source pixel, so 2000 times each weight is a whole number.
    """
    matrix = np.zeros((target, source), dtype=np.int64)
    for row in range(target):
        centre = (2 * row + 1) * source * 10 // (2 * target) - 5
        for column in range(centre // 10 - 1, centre // 10 + 3):
            nearest = min(max(column, 0), source - 1)
            matrix[row, nearest] += _cubic(abs(10 * column - centre))
    return matrix


def _cubic(tenths: int) -> int:
    """Return 2000 times the kernel at that distance in tenths of a pixel."""
    if tenths <= 10:
        return 3 * tenths**3 - 50 * tenths**2 + 2000
    return -(tenths**3) + 50 * tenths**2 - 800 * tenths + 4000 if tenths < 20 else 0


BUILT_IN: dict[str, Callable[..., ImageDataset]] = {
    "digits": load_digits,
    "glyphs": load_glyphs,
    "letters": load_letters,
}


def load_dataset(name_or_path: Any, **options: Any) -> ImageDataset:
    """Load a labelled set of images.

    Parameters
    ----------
    name_or_path : str or pathlib.Path, pair of arrays, data set of PyTorch or Hugging Face
        ``"digits"`` (scikit-learn's handwritten digits), ``"glyphs"`` (letters drawn from the
        fonts that come with matplotlib), ``"letters"`` (nearly 2,000, those with
        marks too), a folder that holds one folder per class, or the name of a torchvision
        classification set in any case. A folder called like a built-in set is meant by
        ``"./digits"``. A pair (images, labels) is what :meth:`ImageDataset.from_arrays` takes, a
        data set of PyTorch what ``from_torch`` does, one of Hugging Face what ``from_hf`` does.
    **options
        Passed to the loader: glyphs ``per_class``, ``seed``, ``homoglyphs``, ``scripts``,
        ``how``; letters ``per_class``, ``seed``, ``how``; folder ``skip_bad``, ``max_pixels``
        (an image of more, 89478485 by default, is an error), and ``labelled=False`` for a folder
        of images without classes, to form groups from; torchvision ``root``, ``download``,
        ``split``.

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
    if not isinstance(name_or_path, (str, Path)):
        return _of_object(name_or_path, options)
    if str(name_or_path) in BUILT_IN:
        return _load(BUILT_IN[str(name_or_path)], options)
    if is_folder(name_or_path):
        labelled = options.pop("labelled", True)
        loader = load_folder if labelled else load_unlabelled
        return _load(loader, options, name_or_path, more=("labelled",))
    if str(name_or_path).lower() in {name.lower() for name in torchvision_names()}:
        return _load(load_torchvision, options, name_or_path)
    raise _no_such_dataset(name_or_path)


def _of_object(source: Any, options: dict[str, Any]) -> ImageDataset:
    if isinstance(source, (tuple, list)) and len(source) == 2:
        return _load(ImageDataset.from_arrays, options, *source)
    if is_hugging_face_dataset(source):
        return _load(ImageDataset.from_hf, options, source)
    if is_torch_dataset(source):
        return _load(ImageDataset.from_torch, options, source)
    raise KShotValueError(
        f"`name_or_path` must be a name, a folder, a pair (images, labels), or a data set of "
        f"PyTorch or Hugging Face; not {type(source).__name__}."
    )


def _load(
    loader: Callable[..., ImageDataset],
    options: dict[str, Any],
    *source: object,
    more: tuple[str, ...] = (),
) -> ImageDataset:
    """Call a loader; ``more`` are options that chose it."""
    allowed = list(inspect.signature(loader).parameters)[len(source) :]
    for option in options:
        if option not in allowed:
            listing = ", ".join(map(repr, [*allowed, *more])) or "none"
            raise KShotValueError(f"{loader.__name__} has no option {option!r}; it has {listing}.")
    return loader(*source, **options)


def _no_such_dataset(given: str | Path) -> KShotKeyError:
    names = {name.lower(): name for name in [*BUILT_IN, *torchvision_names()]}
    close = get_close_matches(str(given).lower(), names, n=1)
    hint = f" Did you mean {names[close[0]]!r}?" if close else ""
    return KShotKeyError(
        f"there is no data set and no folder {str(given)!r}.{hint} Names: "
        f"{', '.join(names.values())}. A folder of class folders works too."
    )

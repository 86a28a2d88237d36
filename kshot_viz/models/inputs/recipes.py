"""Resolve and apply the preprocess that a user gives: a recipe, a JSON file or a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kshot_viz.data.images import to_unit
from kshot_viz.errors import KShotFileError, KShotValueError, unknown_name
from kshot_viz.models.inputs.preprocess import RECIPES, Preprocess

Prepare = Callable[[Any], Tensor]


def as_preprocess(given: Any) -> Prepare | None:
    """Return the preprocess that ``given`` names, or is.

    Parameters
    ----------
    given : None, Preprocess, str, Path or callable
        A string is a recipe's name or, like a path, a JSON file written by
        :meth:`Preprocess.to_json`. A callable takes and returns tensors (N, C, H, W).
    """
    if isinstance(given, str) and given in RECIPES:
        return RECIPES[given]
    if isinstance(given, (str, Path)) and Path(given).suffix == ".json":
        return read_preprocess(given)
    if isinstance(given, (str, Path)):
        raise unknown_name("preprocess", given, [*RECIPES, "a path that ends in .json"])
    if given is not None and not callable(given):
        raise KShotValueError(
            "`preprocess` must be None, a Preprocess, the name of a recipe "
            f"({', '.join(RECIPES)}), a JSON file or a function; not {type(given).__name__}."
        )
    return given


def read_preprocess(path: str | Path) -> Preprocess:
    """Read the small JSON file kept beside a weights file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KShotFileError(f"The preprocess file {path} cannot be read: {error}.") from error
    try:
        return Preprocess.from_json(text)
    except (KShotValueError, KShotFileError) as error:
        raise type(error)(f"{path}: {error}") from error


def apply_preprocess(preprocess: Prepare | None, images: object) -> Tensor:
    """Return the batch that goes into a network, (N, ...).

    A :class:`Preprocess` sees the images as they are. A function sees one float batch in [0, 1],
    or one image at a time, (1, C, H, W), where their sizes differ.
    """
    if isinstance(preprocess, Preprocess):
        return preprocess(images)
    unit = to_unit(images)
    if preprocess is None:
        return _stack([image[None] for image in unit]) if isinstance(unit, list) else unit
    if isinstance(unit, list):
        return _stack([_call(preprocess, image[None]) for image in unit])
    return _call(preprocess, unit)


def _call(preprocess: Prepare, batch: Tensor) -> Tensor:
    prepared = preprocess(batch)
    if not isinstance(prepared, Tensor) or prepared.shape[:1] != batch.shape[:1]:
        found = tuple(prepared.shape) if isinstance(prepared, Tensor) else type(prepared).__name__
        raise KShotValueError(
            f"`preprocess` must return a tensor of {len(batch)} images for an input of shape "
            f"{tuple(batch.shape)}; it returned {found}."
        )
    return prepared


def _stack(parts: list[Tensor]) -> Tensor:
    shapes = sorted({tuple(part.shape[1:]) for part in parts})
    if len(shapes) > 1:
        raise KShotValueError(
            f"The images have {len(shapes)} different shapes after `preprocess`, from {shapes[0]} "
            f"to {shapes[-1]}; it must bring them to one size, as Preprocess(size=...) does."
        )
    return torch.cat(parts)

"""Inputs of a network: every way to prepare images, and examples to probe it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kshot_viz.data.images import image_count, unit_batches
from kshot_viz.errors import KShotFileError, KShotValueError, unknown_name
from kshot_viz.models.inputs.preprocess import CHANNELS, RECIPES, Preprocess
from kshot_viz.models.inputs.resize import joined
from kshot_viz.models.modes import GROUPABLE, evaluating
from kshot_viz.models.outputs import stated_shapes
from kshot_viz.models.probe import NetworkMap, forward, probe
from kshot_viz.seeds import torch_rng

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
    or one image at a time, (1, C, H, W), where their sizes differ or the batch is large; see
    :func:`kshot_viz.data.images.unit_batches`.
    """
    if isinstance(preprocess, Preprocess):
        return preprocess(images)
    units = unit_batches(images)
    parts = units if preprocess is None else (_call(preprocess, unit) for unit in units)
    return joined(parts, image_count(images), _TO_ONE_SIZE)


_TO_ONE_SIZE = (
    "different shapes after `preprocess`, for example {}; it must bring them to one size, as "
    "Preprocess(size=...) does."
)


def _call(preprocess: Prepare, batch: Tensor) -> Tensor:
    prepared = preprocess(batch)
    if not isinstance(prepared, Tensor) or prepared.shape[:1] != batch.shape[:1]:
        found = tuple(prepared.shape) if isinstance(prepared, Tensor) else type(prepared).__name__
        raise KShotValueError(
            f"`preprocess` must return a tensor of {len(batch)} images for an input of shape "
            f"{tuple(batch.shape)}; it returned {found}."
        )
    return prepared


_SIZES = (224, 64, 32, 28, 96, 84, 128, 299, 384, 16, 8)
_TRIED = (8, 16, 28, 32, 48, 64, 84, 96, 128, 224, 256, 299, 384)
_FRAMES = 16
_BATCH = 2


def probe_or_guess(
    module: nn.Module, example: Tensor | None, preprocess: Callable[..., Tensor] | None
) -> tuple[NetworkMap, Tensor]:
    """Probe with ``example``, else with the size of ``preprocess``, else with a guess.

    Parameters
    ----------
    module : nn.Module
    example : Tensor or None
        A batch as the network takes it, after any preprocess.
    preprocess : callable or None
        A :class:`Preprocess` has a size and channels; of another callable nothing is used.

    Returns
    -------
    tuple of NetworkMap and Tensor
        What was found, and the input that it was found with.

    Raises
    ------
    KShotValueError
        When the network takes none of them.
    """
    if example is not None and not isinstance(example, Tensor):
        raise KShotValueError(
            f"`example` must be a tensor as the network takes it; not {type(example).__name__}."
        )
    if example is not None:
        return _probe_one(module, cast_like(example, module))
    if isinstance(preprocess, Preprocess) and preprocess.size is not None:
        shape = (_BATCH, CHANNELS[preprocess.channels], preprocess.size, preprocess.size)
        return _probe_one(module, random_input(shape, module))
    return _probe_guesses(module, preprocess)


def random_input(shape: tuple[int, ...], module: nn.Module) -> Tensor:
    """Return the same standard normal values every time, of the network's type and device."""
    return cast_like(torch.randn(shape, generator=torch_rng(0, "probe")), module)


def cast_like(batch: Tensor, module: nn.Module) -> Tensor:
    """Move ``batch`` to the device of ``module``'s parameters, and floats to their type."""
    like = next((p for p in module.parameters() if p.dtype.is_floating_point), None)
    if like is None:
        return batch
    return batch.to(like.device, like.dtype if batch.dtype.is_floating_point else None)


def explain(module: nn.Module, batch: Tensor, error: KShotValueError) -> KShotValueError:
    """Return an error that names the size the network would take, or ``error`` itself."""
    if batch.ndim != 4:
        return error
    taken = smallest_square(module, batch.shape[1])
    given = tuple(batch.shape[2:])
    if taken is None or given == (taken, taken):
        return error
    small = " is too small" if min(given) < taken else " does not fit"
    return KShotValueError(
        f"An image of {given[0]}x{given[1]} px{small}: the smallest square that the network "
        f"takes is {taken}x{taken} px. Give a preprocess with `size={taken}`."
    )


def smallest_square(module: nn.Module, channels: int) -> int | None:
    """Return the side in pixels of the smallest square image the network takes, if one is found."""
    largest_bad = 0
    for side in _TRIED:
        if _takes(module, (1, channels, side, side)):
            return _bisect(module, channels, largest_bad, side)
        largest_bad = side
    return None


def _bisect(module: nn.Module, channels: int, bad: int, good: int) -> int:
    while good - bad > 1:
        middle = (bad + good) // 2
        if _takes(module, (1, channels, middle, middle)):
            good = middle
        else:
            bad = middle
    return good


def _takes(module: nn.Module, shape: tuple[int, ...]) -> bool:
    try:
        with evaluating(module):
            forward(module, random_input(shape, module))
    except KShotValueError:
        return False
    return True


def _probe_one(module: nn.Module, example: Tensor) -> tuple[NetworkMap, Tensor]:
    try:
        return probe(module, example), example
    except KShotValueError as error:
        raise explain(module, example, error) from error


def _probe_guesses(
    module: nn.Module, preprocess: Callable[..., Tensor] | None
) -> tuple[NetworkMap, Tensor]:
    failure = None
    for shape in _guesses(module, preprocess):
        example = random_input(shape, module)
        try:
            return probe(module, example), example
        except KShotValueError as error:
            failure = failure or error
    raise KShotValueError(
        "No input could be guessed that the network takes; give `example=`, a batch as it goes "
        f"into the network. {failure or 'It has no convolution or linear layer.'}"
    ) from failure


def _guesses(
    module: nn.Module, preprocess: Callable[..., Tensor] | None
) -> Iterator[tuple[int, ...]]:
    yield from ((_BATCH, *shape) for shape in stated_shapes(module))
    first = next((m for m in module.modules() if isinstance(m, GROUPABLE)), None)
    if isinstance(first, nn.Linear):
        yield _BATCH, first.in_features
    if isinstance(first, nn.Conv1d):
        yield from ((_BATCH, first.in_channels, side) for side in _SIZES)
    if isinstance(first, nn.Conv3d):
        yield from ((_BATCH, first.in_channels, _FRAMES, side, side) for side in _SIZES)
    if isinstance(first, nn.Conv2d):
        given = CHANNELS[preprocess.channels] if isinstance(preprocess, Preprocess) else None
        yield from ((_BATCH, given or first.in_channels, side, side) for side in _SIZES)

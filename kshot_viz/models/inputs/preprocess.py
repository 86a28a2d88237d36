"""Prepare images as a network was trained: size, channel order, range, mean, deviation.

A preprocess belongs to the weights, not to the data. It is an immutable value that can be printed,
stored as JSON beside the weights, and applied exactly once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from kshot_viz.data.images import to_unit
from kshot_viz.errors import KShotFileError, KShotValueError

SCHEMA = 1
CHANNELS = {"RGB": 3, "BGR": 3, "L": 1}
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class Preprocess:
    """What happens to an image before a network sees it.

    Parameters
    ----------
    size : int or None
        Side in pixels of the square the network sees; None leaves images as they are.
    resize : {"stretch", "crop"}
        "stretch" squeezes the image into the square; "crop" scales the short side to
        ``short_side`` and cuts the square out of the centre.
    short_side : int or None
        Pixels, only for "crop"; None means ``size``.
    channels : {"RGB", "BGR", "L"}
        Grey images are repeated for "RGB"; colour becomes grey by ITU-R BT.601 luma for "L".
    scale : float
        Largest value after scaling: 1.0 or 255.0.
    mean, std : tuple of float
        Subtracted and divided after scaling, in the order of ``channels``; one number serves all.
    antialias : bool
        Filter before shrinking, as Pillow does.
    interpolation : {"bilinear", "bicubic"}
        How pixels are resampled.
    """

    size: int | None = None
    resize: str = "stretch"
    short_side: int | None = None
    channels: str = "RGB"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    antialias: bool = True
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", _numbers("mean", self.mean))
        object.__setattr__(self, "std", _numbers("std", self.std))
        _one_of("resize", self.resize, ("stretch", "crop"))
        _one_of("channels", self.channels, tuple(CHANNELS))
        _one_of("interpolation", self.interpolation, ("bilinear", "bicubic"))
        _one_of("scale", self.scale, (1.0, 255.0))
        self._check_sizes()
        self._check_statistics()

    def __call__(self, images: object) -> Tensor:
        """Prepare a batch of images.

        Parameters
        ----------
        images : array, tensor, list of PIL images, or ImageDataset
            See :func:`kshot_viz.data.images.to_unit`.

        Returns
        -------
        Tensor
            float32, (N, C, H, W), on the CPU unless a tensor on another device was given.

        Raises
        ------
        KShotValueError
            For rows of features, or images of different sizes when ``size`` is None.
        """
        unit = to_unit(images)
        batch = self._stack([self._one_size(part) for part in _batches(unit)])
        return (batch * self.scale - _column(self.mean, batch)) / _column(self.std, batch)

    def with_size(self, px: int | None) -> Preprocess:
        """Return a copy for another side in pixels; ``short_side`` keeps its proportion."""
        if px is None or self.size is None or self.short_side is None:
            return replace(self, size=px, short_side=None)
        return replace(self, size=px, short_side=round(self.short_side * px / self.size))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that :meth:`from_dict` reads back."""
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocess:
        """Build from :meth:`to_dict`; missing keys take their defaults, unknown ones are errors."""
        allowed = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(allowed))
        if unknown:
            raise KShotValueError(
                f"A preprocess has no key {', '.join(map(repr, unknown))}; allowed are {allowed}."
            )
        return cls(**values)

    def to_json(self) -> str:
        """Return the text of the small JSON file kept beside a weights file."""
        return json.dumps({"schema": SCHEMA, "preprocess": self.to_dict()}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Preprocess:
        """Read :meth:`to_json`'s text, or a bare dictionary of the fields."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise KShotFileError(f"The preprocess is not valid JSON: {error}.") from error
        if not isinstance(values, dict):
            raise KShotFileError("The preprocess must be a JSON object of its fields.")
        return cls.from_dict(_unwrapped(values))

    def _check_sizes(self) -> None:
        for name in ("size", "short_side"):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if value is not None and not (whole and value >= 1):
                raise KShotValueError(
                    f"`{name}` must be None or a whole number of pixels; not {value!r}."
                )
        if self.size is not None and self.short_side is not None and self.short_side < self.size:
            raise KShotValueError(
                f"`short_side` must be at least `size` ({self.size}); not {self.short_side}."
            )

    def _check_statistics(self) -> None:
        count = CHANNELS[self.channels]
        for name in ("mean", "std"):
            value = getattr(self, name)
            if len(value) not in (1, count):
                raise KShotValueError(
                    f"`{name}` must hold 1 or {count} numbers for {self.channels}; not {value}."
                )
        if min(self.std) <= 0:
            raise KShotValueError(f"`std` must be positive; not {self.std}.")

    def _one_size(self, batch: Tensor) -> Tensor:
        return _fit(self._recolour(batch), self)

    def _recolour(self, batch: Tensor) -> Tensor:
        given = batch.shape[1]
        if self.channels == "L":
            return batch if given == 1 else _grey(batch)
        colour = batch.expand(-1, 3, -1, -1) if given == 1 else batch
        return colour.flip(1) if self.channels == "BGR" else colour

    def _stack(self, parts: list[Tensor]) -> Tensor:
        sizes = sorted({tuple(part.shape[2:]) for part in parts})
        if len(sizes) > 1:
            raise KShotValueError(
                f"The images have {len(sizes)} different sizes, from {sizes[0]} to {sizes[-1]} px, "
                "and this preprocess leaves them as they are; give it a `size`."
            )
        return torch.cat(parts) if len(parts) > 1 else parts[0]


def _unwrapped(values: dict[str, Any]) -> dict[str, Any]:
    schema = values.get("schema", SCHEMA)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise KShotFileError(
            f"The preprocess has schema {schema!r}; this version reads up to {SCHEMA}."
        )
    inner = values.get("preprocess", {k: v for k, v in values.items() if k != "schema"})
    if not isinstance(inner, dict):
        raise KShotFileError("The key 'preprocess' must hold a JSON object of its fields.")
    return inner


def _batches(unit: Tensor | list[Tensor]) -> list[Tensor]:
    if isinstance(unit, list):
        return [image[None] for image in unit]
    if unit.ndim != 4:
        raise KShotValueError(
            f"A `Preprocess` needs images (N, C, H, W); not rows of shape {tuple(unit.shape)}. "
            "For rows of features use a backbone with `preprocess=None`."
        )
    return [unit]


def _fit(batch: Tensor, how: Preprocess) -> Tensor:
    """Stretch or crop (N, C, H, W) to (N, C, size, size); ``size=None`` returns it unchanged."""
    if how.size is None:
        return batch
    if how.resize == "stretch":
        return _resample(batch, (how.size, how.size), how)
    target = _short_side_to(batch, how.short_side or how.size)
    return _centre(_resample(batch, target, how), how.size)


def _short_side_to(batch: Tensor, px: int) -> tuple[int, int]:
    """Return the height and width whose shorter one is ``px``, cut off as torchvision does."""
    height, width = batch.shape[2:]
    if height <= width:
        return px, int(px * width / height)
    return int(px * height / width), px


def _resample(batch: Tensor, target: tuple[int, int], how: Preprocess) -> Tensor:
    if tuple(batch.shape[2:]) == target:
        return batch
    resampled = interpolate(
        batch, target, mode=how.interpolation, align_corners=False, antialias=how.antialias
    )
    # Bicubic weights are partly negative and overshoot the range of the pixels.
    return resampled.clamp(0.0, 1.0)


def _centre(batch: Tensor, px: int) -> Tensor:
    top, left = (round((side - px) / 2) for side in batch.shape[2:])
    return batch[:, :, top : top + px, left : left + px]


def _grey(batch: Tensor) -> Tensor:
    return (batch * _column(_LUMA, batch)).sum(dim=1, keepdim=True)


def _column(values: tuple[float, ...], like: Tensor) -> Tensor:
    return like.new_tensor(values).view(1, -1, 1, 1)


def _numbers(name: str, values: object) -> tuple[float, ...]:
    try:
        return tuple(float(value) for value in values)  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError) as error:
        raise KShotValueError(f"`{name}` must be a list of numbers; not {values!r}.") from error


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise KShotValueError(f"`{name}` must be one of {allowed}; not {value!r}.")


RECIPES: dict[str, Preprocess] = {
    "imagenet": Preprocess(
        size=224,
        resize="crop",
        short_side=256,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
    "caffe_bgr": Preprocess(
        size=224,
        resize="crop",
        short_side=256,
        channels="BGR",
        scale=255.0,
        mean=(103.939, 116.779, 123.68),
    ),
    "unit": Preprocess(),
    "glyphs": Preprocess(size=28, channels="L"),
}

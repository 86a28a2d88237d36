"""Prepare images as a network was trained: size, channel order, range, mean, deviation.

A preprocess belongs to the weights, not to the data. It is an immutable value that can be printed,
stored as JSON beside the weights, and applied exactly once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from torch import Tensor

from kshot_viz.data.image_files import ImageFiles
from kshot_viz.data.images import image_count, image_source, unit_batches
from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.models.inputs.prepared_files import KEPT
from kshot_viz.models.inputs.resize import centre, column, cropped, joined, luma, resampled

SCHEMA = 1
_LARGEST = 16_384
CHANNELS = {"RGB": 3, "BGR": 3, "L": 1}
# Fields that came later, with their defaults, which are not written.
_LATER = {"invert": False, "corner": "round"}


@dataclass(frozen=True)
class Preprocess:
    """What happens to an image before a network sees it.

    Parameters
    ----------
    size : int or None
        Side in pixels of the square the network sees; None leaves images as they are.
    resize : {"stretch", "crop"}
        "stretch" squeezes the image into a square of ``short_side``; "crop" scales its short side
        to that. Then the square of ``size`` is cut out of the centre.
    short_side : int or None
        Pixels; None means ``size``.
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
    invert : bool
        Swap black and white, as dark strokes on paper need for a network that learned bright ones.
    corner : {"round", "floor"}
        Where the corner of the square that is cut out lies between two pixels: the even one, as
        torchvision does, or the first, as transformers does.
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
    invert: bool = False
    corner: str = "round"

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", _numbers("mean", self.mean))
        object.__setattr__(self, "std", _numbers("std", self.std))
        _one_of("resize", self.resize, ("stretch", "crop"))
        _one_of("channels", self.channels, tuple(CHANNELS))
        _one_of("interpolation", self.interpolation, ("bilinear", "bicubic"))
        _one_of("scale", self.scale, (1.0, 255.0))
        _one_of("antialias", self.antialias, (True, False))
        _one_of("invert", self.invert, (True, False))
        _one_of("corner", self.corner, ("round", "floor"))
        self._check_sizes()
        self._check_statistics()

    def __call__(self, images: object) -> Tensor:
        """Prepare a batch of images.

        Parameters
        ----------
        images : array, tensor, list of PIL images or paths, or ImageDataset
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
        source = image_source(images)
        if self.size is not None and isinstance(source, ImageFiles) and len(source):
            return joined(KEPT.batches(source, self, self._normalised), len(source), _NO_SIZE)
        parts = (self._normalised(part) for part in unit_batches(source))
        return joined(parts, image_count(source), _NO_SIZE)

    def with_size(self, px: int | None) -> Preprocess:
        """Return a copy for another side in pixels; ``short_side`` keeps its proportion."""
        if px is None or self.size is None or self.short_side is None:
            return replace(self, size=px, short_side=None)
        return replace(self, size=px, short_side=round(self.short_side * px / self.size))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that :meth:`from_dict` reads back."""
        values = asdict(self) | {"mean": list(self.mean), "std": list(self.std)}
        return {key: value for key, value in values.items() if key not in _LATER or self._says(key)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocess:
        """Build from :meth:`to_dict`; missing keys take their defaults, unknown ones are errors."""
        if not isinstance(values, Mapping):
            raise KShotValueError(
                f"A preprocess is made of a dictionary of its fields; not {type(values).__name__}."
            )
        allowed = [field.name for field in fields(cls)]
        unknown = sorted(map(str, set(values) - set(allowed)))
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
        except (ValueError, TypeError, RecursionError) as error:
            raise KShotFileError(f"The preprocess is not valid JSON: {error}.") from error
        if not isinstance(values, dict):
            raise KShotFileError("The preprocess must be a JSON object of its fields.")
        return cls.from_dict(_unwrapped(values))

    def _check_sizes(self) -> None:
        for name in ("size", "short_side"):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if value is not None and not (whole and 1 <= value <= _LARGEST):
                raise KShotValueError(
                    f"`{name}` must be None or a whole number of pixels, 1 to {_LARGEST}; "
                    f"not {value!r}."
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

    def __repr__(self) -> str:
        # Comparisons are kept with this text; those from before there were these stay valid.
        names = [one.name for one in fields(self)]
        shown = [name for name in names if name not in _LATER or self._says(name)]
        return f"Preprocess({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def _says(self, name: str) -> bool:
        """Return whether a field has another value than its default."""
        return bool(getattr(self, name) != _LATER[name])

    def _normalised(self, batch: Tensor) -> Tensor:
        if batch.ndim != 4:
            raise KShotValueError(
                f"A `Preprocess` needs images (N, C, H, W); not rows of shape {tuple(batch.shape)}."
                " For rows of features use a backbone with `preprocess=None`."
            )
        pixels = self._fit(self._recolour(batch))
        scaled = (1.0 - pixels if self.invert else pixels) * self.scale
        return scaled.sub_(column(self.mean, scaled)).div_(column(self.std, scaled))

    def _fit(self, batch: Tensor) -> Tensor:
        """Stretch or crop (N, C, H, W) to (N, C, size, size); without a size change nothing."""
        if self.size is None:
            return batch
        how: dict[str, Any] = {"mode": self.interpolation, "antialias": self.antialias}
        side = self.short_side or self.size
        if self.resize == "stretch":
            return centre(resampled(batch, (side, side), **how), self.size, self.corner)
        return cropped(batch, self.size, side, corner=self.corner, **how)

    def _recolour(self, batch: Tensor) -> Tensor:
        given = batch.shape[1]
        if self.channels == "L":
            return batch if given == 1 else luma(batch)
        colour = batch.expand(-1, 3, -1, -1) if given == 1 else batch
        return colour.flip(1) if self.channels == "BGR" else colour


_NO_SIZE = (
    "different sizes, for example {}, and this preprocess leaves them as they are; "
    "give it a `size`."
)


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


def _numbers(name: str, values: object) -> tuple[float, ...]:
    try:
        found = tuple(float(value) for value in values)  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError) as error:
        raise KShotValueError(f"`{name}` must be a list of numbers; not {values!r}.") from error
    if not all(map(math.isfinite, found)):
        raise KShotValueError(f"`{name}` must be finite numbers; not {found}.")
    return found


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if not isinstance(value, (str, int, float)) or value not in allowed:
        raise KShotValueError(f"`{name}` must be one of {allowed}; not {value!r}.")


def text_of(preprocess: object) -> str | None:
    """Return a preprocess in a text that another process would give too; None for a function."""
    return repr(preprocess) if isinstance(preprocess, Preprocess) else None


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

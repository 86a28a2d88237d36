"""Strong image augmentation: crop, rotation, colour and a blanked rectangle."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.errors import KShotValueError
from kshot_viz.seeds import child_seed

# Copies are never larger than an image's short side, nor than the usual input of networks.
LARGEST_SIDE = 224


@dataclass(frozen=True)
class Augmentation:
    """Strength of each augmentation.

    Attributes
    ----------
    crop : float
        Smallest share of the area that is kept.
    turn : float
        Largest angle, in degrees.
    colour : float
        Largest change of brightness, contrast and saturation.
    flip : bool
        Whether copies may be mirrored; not for letters and digits.
    hole : float
        Probability that a rectangle is blanked.
    side : int or None
        Side of the copies in pixels; None for the images' own.
    """

    crop: float = 0.5
    turn: float = 15.0
    colour: float = 0.4
    flip: bool = False
    hole: float = 0.25
    side: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise KShotValueError(f"`crop` must lie in (0, 1]; not {self.crop!r}.")
        if not 0 <= self.hole <= 1:
            raise KShotValueError(f"`hole` must lie in [0, 1]; not {self.hole!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def __call__(self, images: np.ndarray, seed: int, name: object) -> np.ndarray:
        """Augment each image by itself.

        Parameters
        ----------
        images : ndarray of uint8, shape (N, H, W, C)
        seed : int
        name : object
            Name of the draw below ``seed``.
        """
        augment = self._transform(images.shape[1], images.shape[3])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(child_seed(seed, "augment", name))
            pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
            copies = torch.stack([augment(one) for one in pixels])
        return copies.permute(0, 2, 3, 1).contiguous().numpy()

    def _transform(self, side: int, channels: int) -> Any:
        from torchvision.transforms import v2

        colours = {"brightness": self.colour, "contrast": self.colour}
        if channels == 3:
            colours["saturation"] = self.colour
        steps = [
            v2.RandomResizedCrop(side, scale=(self.crop, 1.0), ratio=(0.8, 1.25), antialias=True),
            v2.RandomRotation(self.turn),
            v2.ColorJitter(**colours),
            *([v2.RandomHorizontalFlip()] if self.flip else []),
            v2.RandomErasing(self.hole, scale=(0.02, 0.15)),
        ]
        return v2.Compose(steps)


def square_side(images: ImageDataset) -> int:
    """Return the median of the images' short sides, at most ``LARGEST_SIDE``."""
    sides = [min(np.shape(images.images[i])[:2]) for i in range(len(images))]
    return int(min(LARGEST_SIDE, np.median(sides)))


def squares(images: ImageDataset, side: int) -> np.ndarray:
    """Return the central square of every image at one size, uint8 (N, side, side, C)."""
    return np.stack([_square(np.asarray(images.images[i]), side) for i in range(len(images))])


def _square(image: np.ndarray, side: int) -> np.ndarray:
    height, width, channels = image.shape
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    middle = image[top : top + short, left : left + short]
    if short == side:
        return middle
    picture = Image.fromarray(middle[..., 0] if channels == 1 else middle)
    scaled = np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC))
    return scaled[..., None] if channels == 1 else scaled

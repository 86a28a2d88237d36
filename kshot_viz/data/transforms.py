"""Variants of a data set: turned, inverted, on a texture, in shuffled patches, or fewer classes.

They make sources and targets that differ in one known way. All but :func:`only_classes` need images
of one size, which they hold in memory; every draw depends on the seed and the image's index alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from kshot_viz.checks import checked, instance, names, number, text, whole
from kshot_viz.data.class_texts import texts_of_files
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.seeds import numpy_rng

DATA = instance(ImageDataset)
# Pixels of the coarse noise that a texture is enlarged from.
_COARSE = (4, 7, 14)


@checked(data=DATA, classes=names, name=text)
def only_classes(data: ImageDataset, classes: Sequence[str], *, name: str = "") -> ImageDataset:
    """Keep the images of some classes.

    Parameters
    ----------
    data : ImageDataset
    classes : sequence of str
        Class names, in the order that the new set has them.
    name : str, optional
        Of the new set; by default the old one with the first and the last class.

    Raises
    ------
    KShotKeyError
        For a class that the data does not have.
    KShotValueError
        For fewer than two classes, or one of them twice.
    """
    for one in classes:
        if one not in data.classes:
            raise unknown_name("classes", one, data.classes)
    kept = [data.classes.index(one) for one in classes]
    if len(kept) < 2 or len(set(kept)) < len(kept):
        raise KShotValueError(f"`classes` must be at least two, all different; not {kept!r}.")
    found = data.restrict(np.flatnonzero(np.isin(data.targets, kept)), kept)
    return _renamed(found, name or f"{data.name} {classes[0]}-{classes[-1]}")


@checked(data=DATA, degrees=number(-360))
def rotated(data: ImageDataset, degrees: float = 90) -> ImageDataset:
    """Turn every image counter-clockwise; what comes in at the corners is black.

    Parameters
    ----------
    data : ImageDataset
    degrees : float
        Multiples of 90 move pixels and change none; others are resampled.
    """
    pixels = _pixels(data)
    if degrees % 90 == 0:
        turned = np.rot90(pixels, int(degrees // 90), axes=(1, 2))
    else:
        turned = np.stack([_turned(one, degrees) for one in pixels])
    return _made(data, turned, f"rotated by {degrees:g}")


@checked(data=DATA)
def inverted(data: ImageDataset) -> ImageDataset:
    """Swap black and white."""
    return _made(data, 255 - _pixels(data), "inverted")


@checked(data=DATA, strength=number(0), seed=whole(0))
def textured(data: ImageDataset, *, strength: float = 0.8, seed: int = 0) -> ImageDataset:
    """Put a random texture behind bright strokes, another one behind each image.

    Parameters
    ----------
    data : ImageDataset
        Images on a dark ground.
    strength : float
        Brightness of the texture, 0 to 1.
    seed : int
    """
    if strength > 1:
        raise KShotValueError(f"`strength` must be at most 1; not {strength!r}.")
    pixels = _pixels(data)
    unit = pixels / 255
    height, width = pixels.shape[1:3]
    ground = np.stack(
        [_texture(height, width, numpy_rng(seed, "texture", i)) for i in range(len(pixels))]
    )
    mixed = unit + (1 - unit) * strength * ground[..., None]
    return _made(data, np.rint(255 * mixed).astype(np.uint8), "textured")


@checked(data=DATA, size=whole(1), seed=whole(0))
def shuffled_patches(data: ImageDataset, *, size: int = 4, seed: int = 0) -> ImageDataset:
    """Cut every image into squares and put them together in a random order.

    What is left is texture: nothing larger than a patch is as it was.

    Parameters
    ----------
    data : ImageDataset
    size : int
        Side of a patch in pixels; it must divide the sides of the images.
    seed : int

    Raises
    ------
    KShotValueError
        Where patches of that size do not fill the images.
    """
    pixels = _pixels(data)
    n, height, width, channels = pixels.shape
    if height % size or width % size:
        raise KShotValueError(
            f"`size` must divide the sides of the images, {height} x {width}; not {size}."
        )
    rows, columns = height // size, width // size
    patches = pixels.reshape(n, rows, size, columns, size, channels).swapaxes(2, 3)
    patches = patches.reshape(n, rows * columns, size, size, channels)
    mixed = np.stack(
        [one[numpy_rng(seed, "patches", i).permutation(len(one))] for i, one in enumerate(patches)]
    )
    whole_again = mixed.reshape(n, rows, columns, size, size, channels).swapaxes(2, 3)
    return _made(data, whole_again.reshape(pixels.shape), "in shuffled patches")


def _pixels(data: ImageDataset) -> np.ndarray:
    """Return the pixels of all images, decoded where they are files."""
    if not len(data):
        raise KShotValueError(f"{data.name!r} has no image.")
    if isinstance(data.images, np.ndarray):
        return data.images
    sizes = {one.shape for one in data.images}
    if len(sizes) > 1:
        raise KShotValueError(
            f"The images of {data.name!r} have {len(sizes)} different sizes; bring them to one "
            f"size first."
        )
    return np.stack(list(data.images))


def _made(data: ImageDataset, pixels: np.ndarray, how: str) -> ImageDataset:
    return ImageDataset.from_arrays(
        np.ascontiguousarray(pixels),
        data.targets,
        classes=data.classes,
        name=f"{data.name} {how}",
        # Of a variant of a variant, the first: all of them show the same things.
        notes={"of": data.fingerprint, **data.notes, "variant": how},
        descriptions=data.descriptions or texts_of_files(data.images, data.labels, data.classes),
    )


def _renamed(data: ImageDataset, name: str) -> ImageDataset:
    return replace(data, name=name)


def _turned(image: np.ndarray, degrees: float) -> np.ndarray:
    grey = image.shape[2] == 1
    picture = Image.fromarray(image[..., 0] if grey else image)
    turned = np.asarray(picture.rotate(degrees, Image.Resampling.BILINEAR))
    return turned[..., None] if grey else turned


def _texture(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return smooth noise of a random coarseness, stretched to [0, 1]."""
    side = int(rng.choice(_COARSE))
    coarse = Image.fromarray(rng.random((side, side), dtype=np.float32))
    fine = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    return (fine - fine.min()) / max(float(np.ptp(fine)), 1e-6)

"""Augment printed glyphs: stroke width, affine and elastic warps, coarse scanning, blur.

Everything works on whole batches; the same generator state gives the same images.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from kshot_viz.errors import KShotValueError

FRAME = 28
_ELASTIC_CELLS = 5
_COARSE = (9, 17)


@dataclass(frozen=True)
class Jitter:
    """How strongly glyphs are varied; all zero is none.

    Attributes
    ----------
    affine : float
        Standard deviation of the entries of the 2 x 2 matrix around the identity.
    rotate : float
        Largest rotation in degrees, uniform to both sides.
    shift : float
        Standard deviation of the translation, as a share of half the frame.
    elastic : float
        Standard deviation of a smooth displacement field, as a share of half the frame.
    stroke : float
        Largest thickening or thinning of the stroke in pixels of the final image.
    coarse : float
        Share of images that are scanned at 9 to 16 pixels a side and enlarged again.
    blur : float
        Largest standard deviation of a Gaussian blur in pixels of the final image.
    contrast : float
        Largest relative loss of the stroke's brightness.
    """

    affine: float = 0.15
    rotate: float = 0.0
    shift: float = 0.03
    elastic: float = 0.04
    stroke: float = 0.5
    coarse: float = 0.0
    blur: float = 0.0
    contrast: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value <= (180 if name == "rotate" else 2):
                raise KShotValueError(f"`{name}` of a Jitter is out of range: {value!r}.")


NO_JITTER = Jitter(affine=0, shift=0, elastic=0, stroke=0)


def jitter(drawings: np.ndarray | Tensor, rng: torch.Generator, how: Jitter) -> Tensor:
    """Vary drawings and bring them to the final frame.

    Parameters
    ----------
    drawings : uint8 array or tensor
        ``(N, 56, 56)`` as in a :class:`GlyphBank`.
    rng : torch.Generator
        A CPU generator.
    how : Jitter
        The strengths.

    Returns
    -------
    torch.Tensor
        float32 ``(N, 1, 28, 28)`` in [0, 1].
    """
    images = torch.as_tensor(drawings)[:, None].float().div(255.0)
    if how.stroke:
        images = _restroke(images, rng, how.stroke)
    images = F.grid_sample(images, _grid(len(images), rng, how), align_corners=False)
    if how.coarse:
        images = _scan_coarsely(images, rng, how.coarse)
    if how.blur:
        images = _blur(images, rng, how.blur)
    images = _full_range(images)
    if how.contrast:
        images = images * (1 - how.contrast * torch.rand(len(images), 1, 1, 1, generator=rng))
    return images.clamp(0.0, 1.0)


def _full_range(images: Tensor) -> Tensor:
    """Scale the brightness of each image to 1, as scanners do; thin strokes would fade else."""
    peak = images.amax(dim=(1, 2, 3), keepdim=True)
    return images / peak.clamp(min=0.1)


def _uniform(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=rng) * 2 - 1


def _restroke(images: Tensor, rng: torch.Generator, pixels: float) -> Tensor:
    """Blend towards the local maximum (thicker) or minimum (thinner) around each pixel."""
    # One step of 3 x 3 moves an edge by one pixel of the drawing, half a final pixel.
    amount = _uniform(rng, len(images), 1, 1, 1) * (2 * pixels)
    for _ in range(max(1, int(np.ceil(2 * pixels)))):
        thick = F.max_pool2d(images, 3, 1, 1)
        thin = -F.max_pool2d(-images, 3, 1, 1)
        step = amount.clamp(-1.0, 1.0)
        images = images + step.clamp(min=0) * (thick - images) - step.clamp(max=0) * (thin - images)
        amount = amount - step
    return images


def _grid(n: int, rng: torch.Generator, how: Jitter) -> Tensor:
    """Build the sampling grid ``(N, 28, 28, 2)``, in units of half the frame."""
    linear = torch.eye(2) + how.affine * torch.randn(n, 2, 2, generator=rng)
    angle = torch.deg2rad(how.rotate * _uniform(rng, n))
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(n, 2, 2)
    shift = how.shift * torch.randn(n, 2, 1, generator=rng)
    grid = F.affine_grid(torch.cat([turn @ linear, shift], 2), [n, 1, FRAME, FRAME], False)
    cells = torch.randn(n, 2, _ELASTIC_CELLS, _ELASTIC_CELLS, generator=rng)
    waves = F.interpolate(cells, size=(FRAME, FRAME), mode="bicubic", align_corners=True)
    return grid + how.elastic * waves.permute(0, 2, 3, 1)


def _scan_coarsely(images: Tensor, rng: torch.Generator, share: float) -> Tensor:
    side = torch.randint(*_COARSE, (len(images),), generator=rng)
    side[torch.rand(len(images), generator=rng) >= share] = 0
    out = images.clone()
    for pixels in range(*_COARSE):
        chosen = side == pixels
        if chosen.any():
            small = F.interpolate(images[chosen], size=(pixels, pixels), mode="area")
            out[chosen] = F.interpolate(small, size=(FRAME, FRAME), mode="bicubic")
    return out


def _blur(images: Tensor, rng: torch.Generator, sigma: float) -> Tensor:
    """Convolve each image with a Gaussian of its own, first along one axis, then the other."""
    n = len(images)
    widths = (sigma * torch.rand(n, 1, generator=rng)).clamp(min=1e-2)
    kernel = torch.exp(-0.5 * (torch.arange(-3.0, 4.0) / widths) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True))[:, None]
    stack = images.transpose(0, 1)
    stack = F.conv2d(stack, kernel[..., None], padding=(3, 0), groups=n)
    stack = F.conv2d(stack, kernel[:, :, None], padding=(0, 3), groups=n)
    return stack.transpose(0, 1)

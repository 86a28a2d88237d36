"""Batches of newly varied glyphs for training, and letters held out from it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kshot_viz.data.dataset import ImageDataset, dataset_from_arrays
from kshot_viz.data.glyphs.bank import GlyphBank
from kshot_viz.data.glyphs.jitter import Jitter, jitter
from kshot_viz.data.glyphs.load_glyphs import pick_faces
from kshot_viz.data.images import to_bytes
from kshot_viz.records import content_digest
from kshot_viz.seeds import numpy_rng, torch_rng

HELD_OUT_PERCENT = 15
# Rougher than what the networks are trained on, and the same for every recipe that is compared.
HELD_OUT_JITTER = Jitter(
    affine=0.18, rotate=8, shift=0.04, elastic=0.05, stroke=0.7, coarse=0.5, blur=0.7, contrast=0.3
)


def is_held_out(point: int) -> bool:
    """Return whether a letter is never trained on.

    It depends on the code point alone, so the same letters are held out in every run.
    """
    return int(content_digest([f"held out {point}"]), 16) % 100 < HELD_OUT_PERCENT


def held_out_glyphs(bank: GlyphBank, *, per_class: int = 20, seed: int = 0) -> ImageDataset:
    """Draw the held-out letters with :data:`HELD_OUT_JITTER`, to choose recipes on.

    Returns
    -------
    ImageDataset
        uint8 ``(N, 28, 28, 1)``.
    """
    rows = pick_faces(bank, per_class, numpy_rng(seed, "held out", "faces"))
    letters = bank.letters[rows]
    kept = np.array([is_held_out(bank.points[letter]) for letter in letters.tolist()])
    images = jitter(bank.drawings[rows[kept]], torch_rng(seed, "held out"), HELD_OUT_JITTER)
    numbers, targets = np.unique(letters[kept], return_inverse=True)
    classes = [chr(bank.points[number]) for number in numbers.tolist()]
    return dataset_from_arrays(to_bytes(images), targets, classes, name="held-out glyphs")


class GlyphStream:
    """Batches of freshly varied glyphs of the letters that are not held out.

    Every letter is drawn equally often, then one of its faces. Batch ``step`` depends on the seed
    and the step alone.

    Parameters
    ----------
    bank : GlyphBank
        The drawings.
    how : Jitter
        Strength of the variation.
    seed : int
        Seed of all batches.
    """

    def __init__(self, bank: GlyphBank, how: Jitter, seed: int) -> None:
        kept = [i for i, point in enumerate(bank.points) if not is_held_out(point)]
        self._drawings = torch.from_numpy(bank.drawings)
        self._starts = np.searchsorted(bank.letters, kept)
        self._counts = np.searchsorted(bank.letters, kept, side="right") - self._starts
        self._how, self._seed = how, seed
        self.points = tuple(bank.points[i] for i in kept)

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Return ``size`` images, float32 ``(size, 1, 28, 28)``, and their letters ``(size,)``."""
        rng = numpy_rng(self._seed, "stream", step)
        letters = rng.integers(len(self.points), size=size)
        rows = self._starts[letters] + rng.integers(self._counts[letters])
        images = jitter(
            self._drawings[torch.from_numpy(rows)],
            torch_rng(self._seed, "stream", step),
            self._how,
        )
        return images, torch.from_numpy(letters)

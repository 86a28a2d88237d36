"""Endless fresh glyphs for training, and letters held out from it."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from kshot_viz.data.glyph_bank import GlyphBank
from kshot_viz.data.jitter import Jitter, jitter
from kshot_viz.seeds import numpy_rng, torch_rng

HELD_OUT_PERCENT = 15


def is_held_out(point: int) -> bool:
    """Say whether a letter is never trained on.

    It depends on the code point alone, so the same letters are held out in every run.
    """
    return int.from_bytes(hashlib.sha256(f"held out {point}".encode()).digest()) % 100 < (
        HELD_OUT_PERCENT
    )


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

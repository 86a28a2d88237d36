"""Printed letters of several scripts as a data set, drawn when it is loaded.

A source domain that needs no download: letters drawn from the fonts that come with matplotlib, in
the frame of the digits (letters fill a box of 20 pixels in 28 x 28, light on dark). No digit, no
code point with a numeric value and no letter that could be taken for a digit is among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import PIL
import torch
from torch import Tensor

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.fingerprint import content_fingerprint
from kshot_viz.data.glyphs.bank import GlyphBank, glyph_bank
from kshot_viz.data.glyphs.jitter import Jitter, jitter
from kshot_viz.data.images import to_bytes
from kshot_viz.data.pixels import digest
from kshot_viz.errors import KShotValueError
from kshot_viz.records import content_digest
from kshot_viz.seeds import child_seed, numpy_rng, torch_rng

_CHUNK = 2048
# Part of the fingerprint: raise it whenever the same seed gives other images.
_DRAWING_VERSION = 1


def load_glyphs(
    *,
    per_class: int = 20,
    seed: int = 0,
    homoglyphs: str = "exclude",
    scripts: Sequence[str] | None = None,
    how: Jitter | None = None,
) -> ImageDataset:
    """Draw ``per_class`` varied images of every letter.

    Parameters
    ----------
    per_class : int, default 20
        Images per letter; the faces that have the letter take turns in random order.
    seed : int, default 0
        Seed of faces and variation.
    homoglyphs : {"exclude", "include"}
        Whether letters that can be taken for a digit (O, l, Z, ...) are left out.
    scripts : sequence of str, optional
        Only these scripts, for example ``["greek", "hebrew"]``; by default all.
    how : Jitter, optional
        Strength of the variation.

    Returns
    -------
    ImageDataset
        uint8 ``(N, 28, 28, 1)``; the classes are the letters themselves. The fingerprint is made
        of what is drawn (letters, font hashes, seed, variation), so it does not depend on the last
        bit of a machine's arithmetic; the hashes are in ``notes`` too.
    """
    bank = glyph_bank(homoglyphs, None if scripts is None else tuple(scripts))
    return drawn_dataset(
        bank, "glyphs", per_class=per_class, seed=seed, how=how, homoglyphs=homoglyphs
    )


def drawn_dataset(
    bank: GlyphBank, name: str, *, per_class: int, seed: int, how: Jitter | None, **notes: str
) -> ImageDataset:
    """Draw ``per_class`` varied images of every letter of a bank; ``notes`` are added to its own.

    Raises
    ------
    KShotValueError
        If ``per_class`` is no integer >= 1.
    """
    if isinstance(per_class, bool) or not isinstance(per_class, int) or per_class < 1:
        raise KShotValueError(f"`per_class` must be an integer >= 1; not {per_class!r}.")
    how = Jitter() if how is None else how
    rows = pick_faces(bank, per_class, numpy_rng(seed, "glyphs", "faces"))
    images = _draw_rows(bank, rows, seed, how)
    targets = bank.letters[rows]
    classes = tuple(map(chr, bank.points))
    recipe = [f"{_DRAWING_VERSION}", f"{child_seed(seed, 'glyphs')}", repr(how)]
    content = [f"{bank.face_hashes[f]} {i}" for i, f in enumerate(bank.faces[rows].tolist())]
    return ImageDataset(
        images=images,
        targets=targets,
        classes=classes,
        name=name,
        digests=tuple(digest(image) for image in images),
        fingerprint=content_fingerprint(classes, targets, [*recipe, *content]),
        notes=_notes(bank, notes, how),
    )


def pick_faces(bank: GlyphBank, per_class: int, rng: np.random.Generator) -> np.ndarray:
    """Choose ``per_class`` rows of the bank for every letter, its faces in turn.

    Returns
    -------
    numpy.ndarray
        int64 ``(letters * per_class,)``, grouped by letter.
    """
    bounds = np.searchsorted(bank.letters, np.arange(len(bank.points) + 1))
    rows = []
    for start, stop in pairwise(bounds.tolist()):
        turns = -(-per_class // (stop - start))
        order = [rng.permutation(np.arange(start, stop)) for _ in range(turns)]
        rows.append(np.concatenate(order)[:per_class])
    return np.concatenate(rows)


def font_hashes(bank: GlyphBank) -> dict[str, str]:
    """Return the sha256 of every font file that the bank draws from, by face name."""
    return dict(zip(bank.face_names, bank.face_hashes, strict=True))


def _draw_rows(bank: GlyphBank, rows: np.ndarray, seed: int, how: Jitter) -> np.ndarray:
    images = np.empty((len(rows), 28, 28, 1), np.uint8)
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        rng = torch_rng(seed, "glyphs", "jitter", start)
        images[start : start + len(part)] = to_bytes(jitter(bank.drawings[part], rng, how))
    return images


def _notes(bank: GlyphBank, more: dict[str, str], how: Jitter) -> dict[str, str]:
    listing = content_digest(map(chr, bank.points))
    notes = {
        "source": "letters drawn from the fonts that come with matplotlib (DejaVu, STIX, CM)",
        **more,
        "jitter": repr(how),
        "pillow": PIL.__version__,
        "letters": f"sha256 {listing}",
    }
    return notes | {f"font {name}": sha for name, sha in font_hashes(bank).items()}


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
    return ImageDataset.from_arrays(
        to_bytes(images), targets, classes=classes, name="held-out glyphs"
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

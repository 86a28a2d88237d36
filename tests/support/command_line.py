"""The command line as tests call it, with small pictures and a small network to call it on."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from kshot_viz.cli import main
from kshot_viz.models.glyphnet.glyphnet import GlyphNet

# The command as a process of its own.
COMMAND = (sys.executable, "-c", "from kshot_viz.cli import main; main()")
CLASSES = ("ape", "bee", "cat")
TUNED = ["--lr", "0.003", "--lr", "0.03", "--head-lr", "0.1", "--steps", "2", "--steps", "5"]
UNTUNED = ["--tune", "none", "--lr", "0.003", "--head-lr", "0.1", "--steps", "3"]


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The last line on stderr; a progress bar may stand before it."""
        return self.err.rstrip("\n").split("\n")[-1]


def kshot(*words: object) -> Ended:
    """Run ``kshot-viz`` in this process."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        patch.object(sys, "argv", ["kshot-viz", *map(str, words)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


def picture(kind: int, seed: int, side: int = 20) -> Image.Image:
    """Colour noise with a bright square whose place shows the kind."""
    rng = np.random.default_rng([kind, seed])
    pixels = rng.integers(0, 120, (side, side, 3), dtype=np.uint8)
    low = 3 + 4 * kind
    pixels[low : low + 6, low : low + 6] += 120
    return Image.fromarray(pixels)


def make_pictures(root: Path, *, per_class: int = 16, seed: int = 0) -> Path:
    """Write a folder of class folders with PNG files."""
    for kind, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            picture(kind, 100 * seed + i).save(root / name / f"{i:02}.png")
    return root


def make_weights(path: Path) -> Path:
    """Write random weights of the bundled network."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(GlyphNet().state_dict(), path)
    return path


def small_run(pictures: Path, weights: Path, out: Path, *words: object) -> list[object]:
    """Return the words of a comparison that takes seconds; later words win."""
    fixed = "--preprocess glyphs --size 16 --query 5 --episodes 3 --val-episodes 2 --workers 1"
    given = ["--weights", weights, "--out", out]
    settings = [] if "--steps" in words else TUNED
    return ["compare", pictures, *given, *fixed.split(), *settings, *words]

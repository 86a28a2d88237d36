"""Pretraining of the bundled network: GlyphNet learns to classify printed letters, never digits.

Letters are drawn afresh for every batch (see :mod:`kshot_viz.data.glyphs.load_glyphs`); a
classifier over the training letters is trained with the network and discarded afterwards. One
letter in seven is held out: the recipe was chosen by nearest-class-mean accuracy on those, never on
digits.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from kshot_viz.data.episodes import sample_episodes
from kshot_viz.data.glyphs.bank import GlyphBank, glyph_bank
from kshot_viz.data.glyphs.jitter import Jitter
from kshot_viz.data.glyphs.load_glyphs import (
    HELD_OUT_JITTER,
    GlyphStream,
    font_hashes,
    held_out_glyphs,
)
from kshot_viz.errors import KShotValueError
from kshot_viz.models.glyphnet.glyphnet import GlyphNet
from kshot_viz.models.inputs.preprocess import RECIPES
from kshot_viz.models.nearest_mean import nearest_mean_accuracy
from kshot_viz.seeds import child_seed
from kshot_viz.stats import bootstrap_mean
from kshot_viz.threads import one_thread

SCHEMA = 1
ROUGH = Jitter(affine=0.18, rotate=8, stroke=0.8, coarse=0.3, blur=0.5, contrast=0.2)
_NAME = "glyphnet"
_EPISODES = 400
_SEEN = 512


@dataclass(frozen=True)
class PretrainRecipe:
    """Everything that decides the weights besides the seed.

    Attributes
    ----------
    steps, batch : int
        Number of steps and images per step.
    lr, weight_decay : float
        Peak step size of the one-cycle schedule, and the decay of AdamW.
    width : int
        Channels of every block.
    label_smoothing : float
        Share of the target spread over all letters.
    average : float
        Share of the steps, at the end, over which the weights are averaged.
    jitter : Jitter
        Variation of the letters.
    """

    steps: int = 2400
    batch: int = 128
    lr: float = 6e-3
    weight_decay: float = 1e-2
    width: int = 32
    label_smoothing: float = 0.0
    average: float = 0.0
    jitter: Jitter = ROUGH

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "width"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise KShotValueError(f"`{name}` must be an integer >= 1; not {value!r}.")


def pretrain_glyphnet(
    out_dir: str | Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    homoglyphs: str = "exclude",
    recipe: PretrainRecipe | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Train GlyphNet on letters and write its weights and its record.

    Parameters
    ----------
    out_dir : str or pathlib.Path
        Gets ``glyphnet.safetensors`` and ``glyphnet.json``; made if missing.
    seed : int, default 0
        Seed of the initial weights and of all letters. The same seed gives the same bytes on the
        same machine with the same versions.
    steps : int, optional
        Another number of steps than the recipe's.
    homoglyphs : {"exclude", "include"}
        Whether to leave out the letters that can be taken for a digit.
    recipe : PretrainRecipe, optional
        Settings; the default made the bundled network.
    progress : bool, default True
        Show a progress bar.

    Returns
    -------
    dict
        The training record that is also in ``glyphnet.json``: recipe, versions, font hashes,
        counts, and the accuracy on held-out letters.
    """
    recipe = recipe or PretrainRecipe()
    recipe = recipe if steps is None else replace(recipe, steps=steps)
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    bank = glyph_bank(homoglyphs)
    with one_thread():
        net = train_glyphnet(bank, recipe, seed, progress=progress)
        scores = held_out_accuracy(net, bank)
    record = _record(bank, recipe, seed, homoglyphs) | {"held_out": scores}
    (out / f"{_NAME}.safetensors").write_bytes(save(_weights(net)))
    document = {"schema": SCHEMA, "preprocess": RECIPES["glyphs"].to_dict(), "record": record}
    (out / f"{_NAME}.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return record


def train_glyphnet(
    bank: GlyphBank, recipe: PretrainRecipe, seed: int, *, progress: bool = False
) -> GlyphNet:
    """Train on the letters of ``bank`` that are not held out; return the network in eval mode."""
    stream = GlyphStream(bank, recipe.jitter, child_seed(seed, "pretrain"))
    net, classifier = _fresh(recipe.width, len(stream.points), seed)
    both = nn.ModuleList([net, classifier])
    optimizer = torch.optim.AdamW(both.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, total_steps=recipe.steps)
    average = _Average(net, recipe)
    net.train()
    for step, (images, letters) in enumerate(_ahead(stream, recipe, progress)):
        loss = F.cross_entropy(
            classifier(net(images)), letters, label_smoothing=recipe.label_smoothing
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        cycle.step()
        average.update(step)
    average.store()
    return net.eval()


def held_out_accuracy(net: nn.Module, bank: GlyphBank) -> dict[str, Any]:
    """Score nearest class mean on roughly varied letters that were never trained on.

    Returns
    -------
    dict
        ``"10_way_1_shot"`` and so on: mean and 95 % bootstrap interval over the episodes;
        ``all_way`` episodes have every held-out letter.
    """
    data = held_out_glyphs(bank)
    scores: dict[str, Any] = {"letters": data.n_classes, "jitter": asdict(HELD_OUT_JITTER)}
    for label, way, n in (("10", 10, _EPISODES), ("all", None, _EPISODES // 20)):
        for shot in (1, 5):
            episodes = sample_episodes(data, way=way, shot=shot, n=n, val_share=0.0, seed=1)
            interval = bootstrap_mean(nearest_mean_accuracy(net, data, episodes))
            scores[f"{label}_way_{shot}_shot"] = asdict(interval)
    return scores


class _Average:
    """Running mean of parameters and batch statistics over the last part of the training."""

    def __init__(self, net: nn.Module, recipe: PretrainRecipe) -> None:
        self._net, self._count = net, 0
        self._first = recipe.steps - round(recipe.average * recipe.steps)
        self._mean: dict[str, Tensor] = {}

    def update(self, step: int) -> None:
        if step < self._first:
            return
        self._count += 1
        for name, value in self._net.state_dict().items():
            if value.is_floating_point():
                mean = self._mean.setdefault(name, torch.zeros_like(value, dtype=torch.float64))
                mean += (value - mean) / self._count

    def store(self) -> None:
        if self._mean:
            self._net.load_state_dict(self._net.state_dict() | self._mean)


def _fresh(width: int, n_letters: int, seed: int) -> tuple[GlyphNet, nn.Linear]:
    """Make network and classifier from the seed; the caller's random state is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(seed, "pretrain", "weights"))
        return GlyphNet(width), nn.Linear(width, n_letters)


def _ahead(
    stream: GlyphStream, recipe: PretrainRecipe, progress: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches in order; the next one is drawn on a second core meanwhile."""
    from tqdm.auto import trange

    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(stream.batch, 0, recipe.batch)
        for step in trange(recipe.steps, desc="letters", disable=not progress):
            ready = coming.result()
            coming = pool.submit(stream.batch, step + 1, recipe.batch)
            yield ready


def _weights(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.contiguous() for name, value in net.state_dict().items()}


def _pixels(stream: GlyphStream) -> dict[str, float]:
    """Return brightness and contrast of the images, which others are compared with."""
    images, _ = stream.batch(0, _SEEN)
    return {"mean": round(float(images.mean()), 3), "std": round(float(images.std()), 3)}


def _record(bank: GlyphBank, recipe: PretrainRecipe, seed: int, homoglyphs: str) -> dict[str, Any]:
    stream = GlyphStream(bank, recipe.jitter, child_seed(seed, "pretrain"))
    trained = stream.points
    return {
        "network": f"GlyphNet(width={recipe.width})",
        "seed": seed,
        "homoglyphs": homoglyphs,
        "recipe": asdict(recipe),
        "letters": len(trained),
        "drawings": int(np.isin(bank.letters, np.searchsorted(bank.points, trained)).sum()),
        "images_seen": recipe.steps * recipe.batch,
        "pixels": _pixels(stream),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "pillow": PIL.__version__,
        },
        "fonts": font_hashes(bank),
    }

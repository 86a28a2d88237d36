"""What is compared: heads from text, with changes of layers from text, constant ones, or all."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

import kshot_viz as kv
from adaptation_parts.styles import PER_CLASS, WAY, Styled, StyledSource, samplers_of
from kshot_viz.seeds import child_seed, torch_rng
from kshot_viz.words.folding import layer_shapes
from kshot_viz.words.modules.encoder import WordsEncoder
from kshot_viz.words.training.adapted import AdaptedNetwork
from kshot_viz.words.training.losses import HeadLoss
from kshot_viz.words.training.optimise import optimise
from kshot_viz.words.training.recipe import WordsRecipe

QUERIES = 4
# The tasks that everything is measured on are the same for all.
SEED = 1


def fresh_encoder(
    backbone: kv.Backbone, styled: Styled, recipe: WordsRecipe, seed: int, adapt: str | None
) -> WordsEncoder:
    """Make an encoder from a seed, with the scale of the features of the training classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(seed, "words", "weights"))
        encoder = WordsEncoder(
            styled.vocabulary.to_label(recipe.width),
            backbone.feature_dim,
            width=recipe.width,
            layers=layer_shapes(backbone),
            adapt=adapt,
            rank=recipe.rank,
        )
    classes = torch.cat(styled.parts["train"])
    rows = torch.cat([styled.bank.images(one) for one in classes.tolist()])
    encoder.head.mean.copy_(styled.bank.features[rows].mean(dim=0))
    encoder.head.std.copy_(styled.bank.features[rows].std(dim=0).clamp(min=1e-6))
    return encoder


def train_head(encoder: WordsEncoder, source: StyledSource, steps: int) -> None:
    """Train the head from text; changes of layers, where there are some, stay none."""
    adaptation, encoder.adaptation = encoder.adaptation, None
    _trained(encoder.train(), HeadLoss(encoder, source), steps, source.recipe.lr, source.recipe)
    encoder.adaptation = adaptation
    encoder.eval()


@dataclass(frozen=True, eq=False)
class ChangedLoss:
    """Loss of networks whose layers a text changes: that of the task, or one that never varies."""

    network: AdaptedNetwork
    source: StyledSource
    constant: Tensor | None = None

    def __call__(self, step: int) -> Tensor:
        """Return the mean cross-entropy."""
        tasks, images = self.source.draw("changes", step, QUERIES)
        logits = torch.cat(
            [
                self.network.logits(self.source.tokens[task], rows, self.constant)
                for task, rows in zip(tasks, images.flatten(1), strict=True)
            ]
        )
        return F.cross_entropy(logits, targets_of(len(tasks)))


def train_changes(
    network: AdaptedNetwork,
    encoder: WordsEncoder,
    source: StyledSource,
    steps: int,
    lr: float,
    constant: Tensor | None = None,
) -> None:
    """Train the changes of layers alone."""
    assert encoder.adaptation is not None
    loss = ChangedLoss(network, source, constant)
    _trained(encoder.adaptation, loss, steps, lr, source.recipe)


class WholeNetwork:
    """A copy of the backbone of which every weight trains, with the head from text."""

    def __init__(self, backbone: kv.Backbone, encoder: WordsEncoder, data: kv.ImageDataset) -> None:
        self.network = backbone.with_new_head(WAY)
        self.network.module.requires_grad_(True)
        self._encoder, self._data = encoder, data
        self._head = f"{self.network.head_name}.linear"

    def logits(self, tokens: Tensor, images: Tensor) -> Tensor:
        """Return logits (N, way) of images (N,) for tokens (way, T)."""
        with torch.no_grad():
            weight, bias = self._encoder.head.linear(self._encoder.prototypes(tokens[None])[0])
        head = {f"{self._head}.weight": weight, f"{self._head}.bias": bias}
        batch = self.network.prepare(self._data.images[images.numpy()])
        out: Tensor = functional_call(self.network.module, head, (batch,))
        return out.flatten(1)


def train_whole(whole: WholeNetwork, source: StyledSource, steps: int, lr: float) -> None:
    """Train every weight of the backbone on the same tasks."""

    def loss(step: int) -> Tensor:
        tasks, images = source.draw("changes", step, QUERIES)
        logits = torch.cat(
            [
                whole.logits(source.tokens[task], rows)
                for task, rows in zip(tasks, images.flatten(1), strict=True)
            ]
        )
        return F.cross_entropy(logits, targets_of(len(tasks)))

    _trained(whole.network.module, loss, steps, lr, source.recipe)


def targets_of(tasks: int, queries: int = QUERIES) -> Tensor:
    """Return the position of the class of every image of some tasks."""
    return torch.arange(WAY).repeat_interleave(queries).repeat(tasks)


@dataclass(frozen=True, eq=False)
class Tasks:
    """Held-out tasks of one kind, as many of every style.

    Attributes
    ----------
    classes : Tensor
        (tasks, way).
    other : Tensor
        (tasks, way): the same letters in another style; where there is one style, those of another
        task.
    images : Tensor
        (tasks, way, queries).
    style : Tensor
        (tasks,).
    """

    classes: Tensor
    other: Tensor
    images: Tensor
    style: Tensor


def held_out_tasks(
    styled: Styled, encoder: WordsEncoder, part: str, kind: str, per_style: int
) -> Tasks:
    """Draw tasks of a part of the split that was not trained on."""
    found = []
    for number, sampler in enumerate(samplers_of(styled, encoder, part)):
        rng = torch_rng(SEED, "held out", part, kind, number)
        drawn = (sampler.similar if kind == "similar" else sampler.random)(per_style, WAY, rng)
        found.append(drawn)
    classes = torch.cat(found)
    style = torch.arange(len(found)).repeat_interleave(per_style)
    if len(found) > 1:
        # The same letters in the next style.
        step = styled.data.n_classes // len(found)
        other = (classes + step) % styled.data.n_classes
    else:
        other = classes.roll(1, dims=0)
    images = styled.bank.draw_distinct(
        classes, min(PER_CLASS, 5), torch_rng(SEED, "held out images", part, kind)
    )
    return Tasks(classes, other, images, style)


def hits(logits_of: Callable[[int], Tensor], tasks: Tasks) -> np.ndarray:
    """Return the accuracy of each task, from the logits of its images."""
    right = targets_of(1, tasks.images.shape[2])
    with torch.no_grad():
        guesses = [logits_of(i).argmax(dim=1) for i in range(len(tasks.classes))]
    return np.array([float((one == right).double().mean()) for one in guesses])


def copied(encoder: WordsEncoder) -> WordsEncoder:
    """Return a copy that can be trained further on its own."""
    return copy.deepcopy(encoder)


def _trained(
    module: nn.Module, loss: Callable[[int], Tensor], steps: int, lr: float, recipe: Any
) -> None:
    optimise(
        module,
        loss,
        steps=steps,
        lr=lr,
        weight_decay=recipe.weight_decay,
        checkpoint=None,
        progress=False,
        label="",
    )

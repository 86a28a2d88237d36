"""The losses of both stages: cross-entropy of the synthesised classifier on images of a task."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from kshot_viz.seeds import torch_rng
from kshot_viz.words.modules.encoder import WordsEncoder
from kshot_viz.words.training.adapted import AdaptedNetwork
from kshot_viz.words.training.recipe import WordsRecipe
from kshot_viz.words.training.tasks import FeatureBank, TaskSampler


@dataclass(frozen=True, eq=False)
class TaskSource:
    """Tasks of training classes: those of a step depend on the seed and the step alone.

    Attributes
    ----------
    bank : FeatureBank
    tokens : Tensor
        int64 (classes, T).
    sampler : TaskSampler
    means : Tensor
        (classes, features): the mean of the standardised features of each training class.
    recipe : WordsRecipe
    seed : int
    """

    bank: FeatureBank
    tokens: Tensor
    sampler: TaskSampler
    means: Tensor
    recipe: WordsRecipe
    seed: int

    def draw(self, stage: str, step: int, queries: int) -> tuple[Tensor, Tensor]:
        """Return classes (tasks, way) and images (tasks, way, queries) of a step."""
        rng = torch_rng(self.seed, "words", stage, step)
        way = min(self.recipe.way, len(self.sampler.classes))
        similar = self.recipe.tasks // 2
        tasks = torch.cat(
            [
                self.sampler.random(self.recipe.tasks - similar, way, rng),
                self.sampler.similar(similar, way, rng),
            ][: 2 if similar else 1]
        )
        return tasks, self.bank.draw(tasks, queries, rng)


@dataclass(frozen=True, eq=False)
class HeadLoss:
    """Loss of the heads of a step's tasks, on the cached features.

    Cross-entropy only asks that classes of a task are separated. That each prototype also is near
    the mean of its class makes prototypes of new combinations of words much better.
    """

    encoder: WordsEncoder
    source: TaskSource

    def __call__(self, step: int) -> Tensor:
        """Return the mean cross-entropy, and the distance of prototypes to class means."""
        queries = self.source.recipe.queries
        tasks, images = self.source.draw("head", step, queries)
        features = self.encoder.head.standardise(self.source.bank.features[images.flatten(1)])
        prototypes = self.encoder.prototypes(self.source.tokens[tasks])
        logits = self.encoder.head.logits(prototypes, features)
        separated = F.cross_entropy(logits.flatten(0, 1), _targets(tasks, queries).flatten())
        near = F.mse_loss(prototypes, self.source.means[tasks])
        return separated + self.source.recipe.near_means * near


@dataclass(frozen=True, eq=False)
class AdaptationLoss:
    """Loss of the adapted networks of a step's tasks, on images."""

    network: AdaptedNetwork
    source: TaskSource

    def __call__(self, step: int) -> Tensor:
        """Return the mean cross-entropy."""
        queries = self.source.recipe.adapt_queries
        tasks, images = self.source.draw("adaptation", step, queries)
        pairs = zip(self.source.tokens[tasks], images.flatten(1), strict=True)
        logits = torch.cat([self.network.logits(tokens, rows) for tokens, rows in pairs])
        return F.cross_entropy(logits, _targets(tasks, queries).flatten())


def _targets(tasks: Tensor, queries: int) -> Tensor:
    return torch.arange(tasks.shape[1]).repeat_interleave(queries).expand(len(tasks), -1)

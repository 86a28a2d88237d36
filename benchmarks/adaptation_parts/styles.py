"""Letters in several styles, each style named in the description: the bundled network knows one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import kshot_viz as kv
from kshot_viz.data.transforms import inverted, rotated, textured
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.seeds import torch_rng
from kshot_viz.words import split_letters
from kshot_viz.words.modules.encoder import WordsEncoder
from kshot_viz.words.tokens import Vocabulary
from kshot_viz.words.training.losses import TaskSource
from kshot_viz.words.training.recipe import WordsRecipe
from kshot_viz.words.training.tasks import FeatureBank, TaskSampler

# What is done to the images, by the word that is added to the description.
STYLES: Mapping[str, Callable[[kv.ImageDataset], kv.ImageDataset]] = {
    "plain": lambda data: data,
    "negative": inverted,
    "turned": rotated,
    "textured": textured,
}
PER_CLASS = 10
WAY = 10


@dataclass(frozen=True, eq=False)
class Styled:
    """Letters in all styles; a class is a letter in a style.

    Attributes
    ----------
    data : ImageDataset
    tokens : Tensor
        int64 (classes, T): the words of each description.
    bank : FeatureBank
        The bundled network's features.
    parts : mapping
        Part of the split -> one tensor of classes for each style, letters in the same order.
    vocabulary : Vocabulary
    """

    data: kv.ImageDataset
    tokens: Tensor
    bank: FeatureBank
    parts: Mapping[str, tuple[Tensor, ...]]
    vocabulary: Vocabulary


def styled_letters(backbone: kv.Backbone, *, styles: bool = True) -> Styled:
    """Draw the letters to train on, to validate on, and the held-out combinations, in every style.

    Without ``styles`` the letters are as they are, and nothing is added to their descriptions.
    """
    letters = kv.load_dataset("letters", per_class=PER_CLASS)
    texts = kv.describe(letters)
    split = split_letters(texts)
    names = [name for part in ("train", "validation", "combinations") for name in split[part]]
    kept = [letters.classes.index(name) for name in names]
    some = letters.restrict(np.flatnonzero(np.isin(letters.targets, kept)), kept)
    made = STYLES if styles else {"": STYLES["plain"]}
    data = kv.ImageDataset.from_arrays(
        np.concatenate([np.asarray(change(some).images) for change in made.values()]),
        np.concatenate([some.targets + i * len(names) for i in range(len(made))]),
        classes=[f"{name} {style}" for style in made for name in names],
        name="letters in styles",
    )
    said = [f"{texts[name]} {style}".strip() for style in made for name in names]
    trained = set(split["train"])
    vocabulary = Vocabulary.of(
        text for text, name in zip(said, names * len(made), strict=True) if name in trained
    )
    features = penultimate_features(backbone, data.images)
    bank = FeatureBank.of(features, torch.from_numpy(data.targets), data.n_classes)
    parts = {
        part: tuple(
            torch.tensor([i * len(names) + names.index(one) for one in split[part]])
            for i in range(len(made))
        )
        for part in ("train", "validation", "combinations")
    }
    return Styled(data, vocabulary.encode_known(said), bank, parts, vocabulary)


@dataclass(frozen=True, eq=False)
class StyledSource(TaskSource):
    """Tasks of one style each: those of a step depend on the seed and the step alone.

    Attributes
    ----------
    samplers : tuple of TaskSampler
        One for each style.
    """

    samplers: tuple[TaskSampler, ...]

    def draw(self, stage: str, step: int, queries: int) -> tuple[Tensor, Tensor]:
        """Return classes (tasks, way) and images (tasks, way, queries) of a step."""
        rng = torch_rng(self.seed, "adaptation benchmark", stage, step)
        chosen = torch.randint(len(self.samplers), (self.recipe.tasks,), generator=rng).tolist()
        tasks = torch.cat(
            [
                (self.samplers[one].similar if i % 2 else self.samplers[one].random)(1, WAY, rng)
                for i, one in enumerate(chosen)
            ]
        )
        return tasks, self.bank.draw(tasks, queries, rng)


def samplers_of(styled: Styled, encoder: WordsEncoder, part: str) -> tuple[TaskSampler, ...]:
    """Return what draws tasks of one part of the split, for each style."""
    return tuple(
        TaskSampler.of(classes, encoder.head.standardise(styled.bank.means(classes)))
        for classes in styled.parts[part]
    )


def source_of(
    styled: Styled, encoder: WordsEncoder, recipe: WordsRecipe, seed: int
) -> StyledSource:
    """Return the tasks to train on."""
    samplers = samplers_of(styled, encoder, "train")
    classes = torch.cat(styled.parts["train"])
    means = torch.zeros(len(styled.tokens), styled.bank.features.shape[1])
    means[classes] = encoder.head.standardise(styled.bank.means(classes))
    return StyledSource(styled.bank, styled.tokens, samplers[0], means, recipe, seed, samplers)

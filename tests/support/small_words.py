"""Words of a few steps on toy images, which many tests share."""

from __future__ import annotations

from functools import cache
from typing import Any

from networks import toy_backbone, toy_data

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.models.backbone import Backbone
from kshot_viz.words.training.fit import fit_words
from kshot_viz.words.training.recipe import WordsRecipe
from kshot_viz.words.words import Words

TEXTS = {
    "c0": "bright corner above",
    "c1": "bright spot near the corner",
    "c2": "spot in the upper middle",
    "c3": "spot in the middle",
    "c4": "spot near the lower corner",
    "c5": "bright corner below",
}
PARTS = {"train": ["c0", "c1", "c2", "c3"], "validation": ["c4", "c5"]}
TINY = WordsRecipe(steps=6, tasks=4, way=3, queries=3, width=8, adapt_steps=3, adapt_queries=2)


@cache
def pictures() -> ImageDataset:
    return toy_data(6, 8)


@cache
def network() -> Backbone:
    return toy_backbone()


def fitted(recipe: WordsRecipe = TINY, **options: Any) -> Words:
    given: dict[str, Any] = {"seed": 0, "progress": False} | options
    return fit_words(network(), pictures(), TEXTS, recipe=recipe, **given)


@cache
def small_words(adapt: str | None = None) -> Words:
    """Words of all six classes, with changes of layers that are not none."""
    recipe = WordsRecipe(**(TINY.to_dict() | {"adapt": adapt, "adapt_lr": 0.1}))
    return fitted(recipe, parts={"train": list(TEXTS)})

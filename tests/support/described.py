"""Letters that are described, as images and as support, for tests of networks from descriptions."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

import kshot_viz as kv
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.models.backbone import Backbone
from kshot_viz.widgets.words.words_to_network import WordsToNetwork

LETTERS = "adefhn"
TEXTS = {letter: f"latin small {letter}" for letter in LETTERS}
PATIENCE = 60


@cache
def backbone() -> Backbone:
    return kv.load_backbone("glyphnet")


@cache
def letters() -> tuple[ImageDataset, ImageDataset]:
    """Return two images of each letter, and three others."""
    data = kv.load_dataset("glyphs", per_class=5)
    chosen = [data.classes.index(one) for one in LETTERS]
    part = data.restrict(np.flatnonzero(np.isin(data.targets, chosen)), chosen)
    turns = np.array([(part.targets[:i] == c).sum() for i, c in enumerate(part.targets)])
    return part.take(np.flatnonzero(turns < 2)), part.take(np.flatnonzero(turns >= 2))


def shown(descriptions: Any = None, **options: Any) -> WordsToNetwork:
    images, support = letters()
    texts = TEXTS if descriptions is None else descriptions
    made = WordsToNetwork(backbone(), images, texts, **{"support": support, **options})
    assert made.wait(PATIENCE)
    return made

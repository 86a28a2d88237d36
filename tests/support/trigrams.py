"""A text encoder that needs no file: hashed groups of three characters."""

from __future__ import annotations

from functools import cache
from zlib import crc32

import numpy as np
from small_words import TEXTS, TINY, fitted

from kshot_viz.words.training.recipe import WordsRecipe
from kshot_viz.words.words import Words

DIMENSION = 48


def trigrams(texts: list[str], dimension: int = DIMENSION) -> np.ndarray:
    found = np.zeros((len(texts), dimension))
    for row, text in zip(found, texts, strict=True):
        padded = f"  {' '.join(text.casefold().split())}  "
        for i in range(len(padded) - 2):
            number = crc32(padded[i : i + 3].encode())
            row[number // 2 % dimension] += 1 - 2 * (number % 2)
    return found


@cache
def trigram_words(adapt: str | None = None) -> Words:
    recipe = WordsRecipe(**(TINY.to_dict() | {"adapt": adapt, "adapt_lr": 0.1}))
    return fitted(recipe, parts={"train": list(TEXTS)}, encoder=trigrams)

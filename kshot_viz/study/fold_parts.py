"""Which of the k images of a class are left out together, where all are left out in turn."""

from __future__ import annotations

import numpy as np

MOST_FOLDS = 5


def fold_parts(shot: int, most: int = MOST_FOLDS) -> list[list[int]]:
    """Cut the numbers 0 to ``shot - 1`` into parts of nearly equal size, one for each fold.

    Up to ``most`` images each is a part of its own. A single image leaves nothing to train on, so
    it has no part.
    """
    if shot < 2:
        return []
    return [one.tolist() for one in np.array_split(np.arange(shot), min(shot, most))]

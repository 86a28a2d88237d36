"""As how many images a description counts: chosen on classes that were not trained on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kshot_viz.seeds import torch_rng
from kshot_viz.words.blend import blend
from kshot_viz.words.modules.encoder import WordsEncoder
from kshot_viz.words.training.scoring import (
    QUERIES,
    SEED,
    accuracy,
    encoder_prototypes,
    sample_tasks,
)
from kshot_viz.words.training.tasks import FeatureBank

COUNTS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
SHOTS = (1, 5)
_TASKS = 100


def chosen_prior_count(
    encoder: WordsEncoder, bank: FeatureBank, tokens: Tensor, classes: Tensor, way: int
) -> float | None:
    """Return the count of :data:`COUNTS` with the best mean accuracy on tasks of some classes.

    The mean is over random and similar tasks and over :data:`SHOTS` images of each class. None
    where there are fewer than two classes, or one has too few images for support and queries.
    """
    most = max(SHOTS)
    if len(classes) < 2 or int(bank.counts[classes].min()) <= most:
        return None
    queries = min(QUERIES, int(bank.counts[classes].min()) - most)
    way = min(way, len(classes))
    scores = np.zeros(len(COUNTS))
    for kind in ("random", "similar"):
        tasks = sample_tasks(encoder, bank, classes, kind, way=way, n=_TASKS)
        drawn = bank.draw_distinct(tasks, queries + most, torch_rng(SEED, "blending", kind))
        asked, shown = drawn[..., :queries], encoder.head.standardise(bank.features[drawn])
        prototypes = encoder_prototypes(encoder, tokens[tasks])
        for shot in SHOTS:
            sums = shown[:, :, queries : queries + shot].sum(dim=2)
            images = torch.full(sums.shape[:2], float(shot))
            made = (blend(prototypes, sums, images, count) for count in COUNTS)
            scores += [accuracy(encoder, one, bank, asked).mean() for one in made]
    return COUNTS[int(scores.argmax())]

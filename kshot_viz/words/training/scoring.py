"""Accuracy of descriptions alone on tasks of classes that were not trained on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kshot_viz.seeds import torch_rng
from kshot_viz.stats import bootstrap_mean
from kshot_viz.words.modules.encoder import WordsEncoder
from kshot_viz.words.training.tasks import FeatureBank, TaskSampler

EPISODES = 300
QUERIES = 15
# The tasks that trainings are compared on are the same for all of them.
SEED = 1


def validation_scores(
    encoder: WordsEncoder, bank: FeatureBank, tokens: Tensor, classes: Tensor, way: int
) -> dict[str, Any] | None:
    """Score random and similar tasks of held-out classes; None where there are fewer than two.

    Returns
    -------
    dict or None
        Number of classes, ``way``, ``queries``, and accuracy with its 95 % interval over
        :data:`EPISODES` tasks, ``"random"`` and ``"similar"``.
    """
    queries = min(QUERIES, int(bank.counts[classes].min())) if len(classes) else 0
    if len(classes) < 2 or not queries:
        return None
    way = min(way, len(classes))
    scores: dict[str, Any] = {"classes": len(classes), "way": way, "queries": queries}
    for kind in ("random", "similar"):
        tasks = sample_tasks(encoder, bank, classes, kind, way=way, n=EPISODES)
        images = bank.draw_distinct(tasks, queries, torch_rng(SEED, "validation", kind))
        hits = accuracy(encoder, encoder_prototypes(encoder, tokens[tasks]), bank, images)
        scores[kind] = asdict(bootstrap_mean(hits))
    return scores


def sample_tasks(
    encoder: WordsEncoder, bank: FeatureBank, classes: Tensor, kind: str, *, way: int, n: int
) -> Tensor:
    """Draw n tasks, ``"random"`` or ``"similar"``, of some classes; the same for every caller."""
    sampler = TaskSampler.of(classes, encoder.head.standardise(bank.means(classes)))
    rng = torch_rng(SEED, "tasks", kind)
    return sampler.similar(n, way, rng) if kind == "similar" else sampler.random(n, way, rng)


def encoder_prototypes(encoder: WordsEncoder, tokens: Tensor) -> Tensor:
    """Return prototypes of tokens (tasks, way, T) without gradients."""
    with torch.no_grad():
        return encoder.prototypes(tokens)


def accuracy(
    encoder: WordsEncoder, prototypes: Tensor, bank: FeatureBank, images: Tensor
) -> np.ndarray:
    """Return the share of images that are nearest to the prototype of their class.

    Parameters
    ----------
    encoder : WordsEncoder
    prototypes : Tensor
        (tasks, way, features).
    bank : FeatureBank
    images : Tensor
        (tasks, way, n): images of each class.

    Returns
    -------
    numpy.ndarray
        float64 (tasks,).
    """
    tasks, way, n = images.shape
    features = encoder.head.standardise(bank.features[images.reshape(tasks, way * n)])
    guesses = encoder.head.logits(prototypes, features).argmax(dim=-1)
    hits = guesses == torch.arange(way).repeat_interleave(n)
    return hits.double().mean(dim=1).numpy()

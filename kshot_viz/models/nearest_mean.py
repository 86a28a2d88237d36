"""Accuracy of the nearest class mean by cosine: the features of a network before any tuning.

The classifier of Snell et al., "Prototypical Networks for Few-shot Learning" (NeurIPS 2017), with
cosine in place of the squared distance: the mean of a class's normalised support features is its
prototype, and a query goes to the class with the largest cosine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import Episode
from kshot_viz.data.images import filled_count, slice_images, to_unit
from kshot_viz.errors import KShotValueError
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.head_init import head_features
from kshot_viz.models.modes import evaluating
from kshot_viz.threads import one_thread

_BATCH = 256


@one_thread()
def penultimate_features(backbone: Backbone | nn.Module, images: Any) -> Tensor:
    """Compute what the head reads, mean-pooled where it has axes besides the channels.

    Parameters
    ----------
    backbone : Backbone or nn.Module
        Of a module the output counts as features, and images go in as they are.
    images : object
        Any accepted image batch, N images.

    Returns
    -------
    torch.Tensor
        float32 ``(N, features)`` on the CPU.
    """
    parts = (slice_images(images, i, i + _BATCH) for i in range(0, filled_count(images), _BATCH))
    compute = _backbone_features if isinstance(backbone, Backbone) else _module_features
    with torch.no_grad():
        return torch.cat([compute(backbone, part).float().cpu() for part in parts])


def feature_power(backbone: Backbone, images: Any) -> float:
    """Return the mean squared length of the features of some images.

    A step of SGD changes a row of the head by at most the step size times a feature, and so a logit
    by the step size times a squared length. Networks differ in it by factors of a hundred.
    """
    return penultimate_features(backbone, images).square().sum(dim=1).mean().item()


@one_thread()
def nearest_mean_accuracy(
    backbone: Backbone | nn.Module, data: ImageDataset, episodes: Sequence[Episode]
) -> np.ndarray:
    """Score the nearest class mean on episodes; nothing is trained.

    Parameters
    ----------
    backbone : Backbone or nn.Module
        The network whose features are used.
    data : ImageDataset
        The data set of the episodes.
    episodes : sequence of Episode
        Tasks of any way and shot.

    Returns
    -------
    numpy.ndarray
        float64 ``(len(episodes),)``, the share of queries that are right; the mean over classes
        where these have different numbers of queries.

    Raises
    ------
    KShotValueError
        If an episode belongs to other data.
    """
    used = sorted({i for e in episodes for i in (*e.support, *e.query)})
    for episode in episodes:
        episode.check(data)
    features = F.normalize(penultimate_features(backbone, data.take(used).images), dim=1)
    position = np.full(len(data), -1)
    position[used] = np.arange(len(used))
    return np.array([_accuracy(features, position, episode) for episode in episodes])


def _accuracy(features: Tensor, position: np.ndarray, episode: Episode) -> float:
    support = features[position[list(episode.support)]]
    queries = features[position[list(episode.query)]]
    means = F.normalize(support.view(episode.way, episode.shot, -1).mean(dim=1), dim=1)
    guesses = (queries @ means.T).argmax(dim=1)
    counts = torch.tensor(episode.query_counts)
    hits = (guesses == torch.arange(episode.way).repeat_interleave(counts)).double()
    if counts.unique().numel() == 1:
        return float(hits.mean())
    return float(torch.stack([part.mean() for part in hits.split(counts.tolist())]).mean())


def _backbone_features(backbone: Any, images: Any) -> Tensor:
    # A new head reads pooled features, whatever the network is.
    return head_features(backbone.with_new_head(2), backbone.prepare(images))


def _module_features(module: Any, images: Any) -> Tensor:
    batch = to_unit(images)
    if not isinstance(batch, Tensor):
        raise KShotValueError("`images` differ in size; wrap the module in a Backbone.")
    with evaluating(module):
        out = module(batch)
    return out if out.ndim == 2 else out.flatten(2).mean(2)

"""The score of a class: the mean log-probability that its images get of being in it."""

from __future__ import annotations

import torch
from torch import Tensor

from kshot_viz.words.modules.encoder import WordsEncoder


def scores_of_one(
    encoder: WordsEncoder, labels: Tensor, c: int, moved: Tensor, images: Tensor
) -> Tensor:
    """Return the mean log-probability of class ``c`` on its images for other labels of it, (M,).

    Parameters
    ----------
    encoder : WordsEncoder
    labels : Tensor
        (classes, width), of all classes as they are.
    c : int
    moved : Tensor
        (M, width): other labels of class ``c``.
    images : Tensor
        (N, features), standardised, of class ``c``.
    """
    whole = labels.expand(len(moved), *labels.shape)
    task = torch.cat([whole[:, :c], moved[:, None], whole[:, c + 1 :]], dim=1)
    prototypes = encoder.head(encoder.context(task))
    logits = encoder.head.logits(prototypes, images.expand(len(moved), -1, -1))
    return logits.log_softmax(dim=-1)[..., c].mean(dim=1)


def class_scores(
    encoder: WordsEncoder, tokens: Tensor, features: Tensor, targets: Tensor
) -> Tensor:
    """Return the mean log-probability of each class on its own images, (classes,)."""
    with torch.no_grad():
        prototypes = encoder.prototypes(tokens[None])[0]
        logs = encoder.head.logits(prototypes, features).log_softmax(dim=-1)
    own = logs[torch.arange(len(targets)), targets]
    return torch.stack([own[targets == c].mean() for c in range(len(tokens))])

"""Gradient times embedding of each word."""

from __future__ import annotations

import torch
from torch import Tensor

from kshot_viz.words.evidence.scores import scores_of_one
from kshot_viz.words.modules.encoder import WordsEncoder
from kshot_viz.words.modules.tokens2label import PADDING, Tokens2Label

# Points of the path that gradients are taken at.
_PATH = 32


def integrated_gradients(
    encoder: WordsEncoder, tokens: Tensor, features: Tensor, targets: Tensor
) -> Tensor:
    """Return gradient times embedding of each word for the score of its class, (classes, T).

    The gradient is the mean along the straight path from the average embedding of all words to the
    word's own (Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017): what
    the words of a class get sums up, as far as the points of the path lie close enough, to what its
    description adds to one of average words. The gradient at the embedding alone says next to
    nothing: the layer norm takes away most of its component along the embedding.

    Parameters
    ----------
    encoder : WordsEncoder
    tokens : Tensor
        (classes, T).
    features : Tensor
        (N, features), standardised.
    targets : Tensor
        (N,).
    """
    reading = encoder.tokens
    assert isinstance(reading, Tokens2Label)
    embedding = reading.embedding
    embedded, padding = embedding(tokens).detach(), tokens == PADDING
    labels = reading.pool(embedded, padding).detach()
    average = embedding.weight.detach()[1:].mean(dim=0)
    shares = (torch.arange(_PATH, dtype=average.dtype) + 0.5) / _PATH
    parts = []
    for c, own in enumerate(embedded):
        path = (average + shares[:, None, None] * (own - average)).requires_grad_(True)
        moved = reading.pool(path, padding[c].expand(_PATH, -1))
        score = scores_of_one(encoder, labels, c, moved, features[targets == c]).sum()
        (gradient,) = torch.autograd.grad(score, path)
        parts.append((gradient.mean(dim=0) * (own - average)).sum(dim=-1))
    return torch.stack(parts)

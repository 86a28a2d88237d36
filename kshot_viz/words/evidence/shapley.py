"""Shapley values of the words of each description."""

from __future__ import annotations

from itertools import pairwise
from math import comb

import torch
from torch import Tensor

from kshot_viz.seeds import torch_rng
from kshot_viz.words.evidence.scores import scores_of_one
from kshot_viz.words.modules.encoder import WordsEncoder
from kshot_viz.words.modules.tokens2label import PADDING

# All 2^n parts of a description of n words are scored up to here; beyond, orders are drawn.
MOST_EXACT = 9
_ORDERS = 16
# Logits that are made at once.
_AT_ONCE = 4_000_000


@torch.no_grad()
def shapley_values(
    encoder: WordsEncoder, tokens: Tensor, features: Tensor, targets: Tensor
) -> Tensor:
    """Return what each word adds to the score of its class, averaged over all orders, (classes, T).

    A word adds to a part of a description the score with it less the score without it. The mean is
    over all orders in which words may come, so words that say the same share what they say; leaving
    out one alone would show nothing of either. The values of a description sum up to its score less
    that of a description of no known word (Shapley, "A Value for n-Person Games", 1953; Lundberg
    and Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017). Exact up to nine
    words; of longer descriptions 16 random orders and their reverses are taken (Mitchell et al.,
    "Sampling Permutations for Shapley Value Estimation", JMLR 2022), always the same.

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
    labels = encoder.tokens(tokens)
    values = torch.zeros(tokens.shape)
    for c, row in enumerate(tokens):
        positions = torch.nonzero(row != PADDING)[:, 0]
        if not len(positions):
            continue
        kept, weights = parts_and_weights(len(positions))
        shorter = torch.full((len(kept), len(row)), PADDING)
        shorter[:, positions] = torch.where(kept, row[positions], PADDING)
        images = features[targets == c]
        step = max(1, _AT_ONCE // max(1, len(images) * len(tokens)))
        moved = encoder.tokens(shorter).split(step)
        scores = torch.cat([scores_of_one(encoder, labels, c, some, images) for some in moved])
        values[c, positions] = (weights.T @ scores.double()).to(values.dtype)
    return values


def parts_and_weights(words: int) -> tuple[Tensor, Tensor]:
    """Return parts of a description and how their scores make up the values of its words.

    Returns
    -------
    kept : Tensor of bool, (parts, words)
        The words of each part.
    weights : Tensor of float64, (parts, words)
        The value of a word is the sum of the parts' scores, weighted by its column.
    """
    return all_parts(words) if words <= MOST_EXACT else drawn_parts(words)


def all_parts(words: int) -> tuple[Tensor, Tensor]:
    """Return all parts: a part of s words is what comes before in a share of all orders."""
    kept = torch.arange(2**words)[:, None] >> torch.arange(words) & 1 == 1
    size = kept.sum(dim=1, keepdim=True)
    shares = torch.tensor(
        [1 / (words * comb(words - 1, s)) for s in range(words)], dtype=torch.float64
    )
    added = shares[(size - 1).clamp_min(0)].expand(kept.shape)
    left_out = shares[size.clamp_max(words - 1)].expand(kept.shape)
    return kept, torch.where(kept, added, -left_out)


def drawn_parts(words: int) -> tuple[Tensor, Tensor]:
    """Return the beginnings of random orders and of their reverses."""
    rng = torch_rng(0, "shapley orders", words)
    forward = [torch.randperm(words, generator=rng) for _ in range(_ORDERS)]
    orders = [order for one in forward for order in (one, one.flip(0))]
    kept = torch.zeros(len(orders), words + 1, words, dtype=torch.bool)
    weights = torch.zeros(kept.shape, dtype=torch.float64)
    for number, order in enumerate(orders):
        for before, after in pairwise(range(words + 1)):
            word = order[before]
            kept[number, after:, word] = True
            weights[number, after, word] += 1 / len(orders)
            weights[number, before, word] -= 1 / len(orders)
    return kept.flatten(0, 1), weights.flatten(0, 1)

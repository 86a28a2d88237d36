"""What leaving out each word alone does."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kshot_viz.words.evidence.scores import class_scores, scores_of_one
from kshot_viz.words.modules.encoder import WordsEncoder
from kshot_viz.words.tokens import fewer_tokens


def leave_one_out(
    encoder: WordsEncoder,
    tokens: Tensor,
    features: Tensor,
    targets: Tensor,
    shorter: Sequence[Tensor] | None = None,
) -> Tensor:
    """Return by how much the score of a class falls without each of its words.

    Parameters
    ----------
    encoder : WordsEncoder
    tokens : Tensor
        (classes, ...): encoded descriptions.
    features : Tensor
        (N, features), standardised.
    targets : Tensor
        (N,).
    shorter : sequence of Tensor, optional
        For each class (words, ...): its description without each of its words. By default those
        of the numbers of learned words.

    Returns
    -------
    Tensor
        (classes, most words), at least one column.
    """
    fewer = [fewer_tokens(row) for row in tokens] if shorter is None else shorter
    falls = torch.zeros(len(tokens), max([1, *map(len, fewer)]))
    with torch.no_grad():
        labels = encoder.tokens(tokens)
        whole = class_scores(encoder, tokens, features, targets)
        for c, rows in enumerate(fewer):
            moved = encoder.tokens(rows)
            scores = scores_of_one(encoder, labels, c, moved, features[targets == c])
            falls[c, : len(rows)] = whole[c] - scores
    return falls

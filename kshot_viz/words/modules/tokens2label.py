"""Tokens2Label: the words of one description -> one label embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kshot_viz.words.modules.layers import transformer_layer

PADDING = 0
_EMBEDDING_STD = 0.5


class Tokens2Label(nn.Module):
    """Embed words, let them attend to each other, and pool them by attention.

    Word order is not seen: of the letters' names the order hardly matters, and accuracy on the
    validation classes was lower with positions.

    Parameters
    ----------
    words : int
        Number of known words; tokens are numbers from 1 to ``words``, 0 is padding.
    width : int
        Length of all embeddings.
    """

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words + 1, width, padding_idx=PADDING)
        nn.init.normal_(self.embedding.weight, std=_EMBEDDING_STD)
        with torch.no_grad():
            self.embedding.weight[PADDING] = 0
        self.layer = transformer_layer(width)
        self.norm = nn.LayerNorm(width)
        self.attention = nn.Linear(width, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (N, T) to label embeddings (N, width)."""
        return self.pool(self.embedding(tokens), tokens == PADDING)

    def pool(self, embedded: Tensor, padding: Tensor) -> Tensor:
        """Map embedded words (N, T, width) to label embeddings; True in (N, T) is left out."""
        # A description of no known word attends to its padding, which gives numbers, not NaN.
        padding = padding & ~padding.all(dim=1, keepdim=True)
        hidden = self.norm(self.layer(embedded, src_key_padding_mask=padding))
        scores = self.attention(hidden).squeeze(-1).masked_fill(padding, -torch.inf)
        return (scores.softmax(dim=-1)[..., None] * hidden).sum(dim=-2)

"""The transformer layer that all parts share."""

from __future__ import annotations

from torch import nn

HEADS = 4


def transformer_layer(width: int) -> nn.TransformerEncoderLayer:
    """Make one pre-norm layer of self-attention without dropout, ``(N, items, width)``."""
    return nn.TransformerEncoderLayer(
        width, HEADS, 2 * width, dropout=0.0, norm_first=True, batch_first=True
    )

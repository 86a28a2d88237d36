"""Text2Label: the vector of one whole description -> one label embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Of no hidden layer, 2 and 6, the most accurate on validation letters with MiniLM.
_INNER = 6


class Text2Label(nn.Module):
    """A small learned projection of the vectors of a frozen text encoder.

    Vectors are centred and scaled as those of the training descriptions are: encoders give texts
    of one kind vectors that have most in common, and only what differs tells classes from each
    other.

    Parameters
    ----------
    dimension : int
        Length of the vectors.
    width : int
        Length of the label embeddings.

    Attributes
    ----------
    mean : Tensor
        (dimension,), of the training descriptions.
    scale : Tensor
        (): their mean standard deviation; one number, so that a component which rarely varies is
        not made large.
    probe : Tensor
        (dimension,): the encoder's vector of a fixed text, which tells it from another encoder.
    """

    mean: Tensor
    scale: Tensor
    probe: Tensor

    def __init__(self, dimension: int, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(dimension, _INNER * width),
            nn.GELU(),
            nn.Linear(_INNER * width, width),
            nn.LayerNorm(width),
        )
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("probe", torch.zeros(dimension))

    def take_scale(self, vectors: Tensor) -> None:
        """Set mean and scale to those of vectors (N, dimension)."""
        self.mean.copy_(vectors.mean(dim=0))
        scale = (vectors - self.mean).square().mean().sqrt()
        # Where all are the same there is no scale.
        self.scale.copy_(scale if scale > 0 else torch.ones(()))

    def forward(self, vectors: Tensor) -> Tensor:
        """Map vectors (N, dimension) to label embeddings (N, width)."""
        return self.mlp((vectors - self.mean) / self.scale)

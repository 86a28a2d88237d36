"""Labels2Head: label embeddings -> the prototypes of a linear head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LOG_TAU = -1.0


class Labels2Head(nn.Module):
    """A prototype for every class, and logits ``tau (f.p - |p|^2 / 2)`` of standardised features.

    They differ from ``-tau |f - p|^2 / 2`` by what is the same for all classes, so this is the
    nearest prototype, as a linear head.

    Parameters
    ----------
    width : int
        Length of the label embeddings.
    features : int
        Number of features of the backbone.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, features),
        )
        self.log_tau = nn.Parameter(torch.tensor(_LOG_TAU))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))

    def forward(self, labels: Tensor) -> Tensor:
        """Map label embeddings (..., classes, width) to prototypes (..., classes, features)."""
        return self.mlp(labels)

    def standardise(self, features: Tensor) -> Tensor:
        """Bring features of the backbone to the scale of the prototypes."""
        return (features - self.mean) / self.std

    def logits(self, prototypes: Tensor, features: Tensor) -> Tensor:
        """Return logits (..., N, classes) of standardised features (..., N, features)."""
        offset = prototypes.square().sum(dim=-1)[..., None, :] / 2
        return self.log_tau.exp() * (features @ prototypes.transpose(-1, -2) - offset)

    def linear(self, prototypes: Tensor) -> tuple[Tensor, Tensor]:
        """Fold scale and standardisation into a head that reads the backbone's own features.

        Returns
        -------
        tuple of Tensor
            Weight (classes, features) and bias (classes,).
        """
        tau = self.log_tau.exp()
        weight = tau * prototypes / self.std
        return weight, -weight @ self.mean - tau * prototypes.square().sum(dim=-1) / 2

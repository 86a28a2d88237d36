"""Gradients of the weights of linear maps, image by image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kshot_viz.analysis.alignment.maps import batch_signals
from kshot_viz.models.backbone import Backbone

_BATCH = 32


@dataclass
class GradientSums:
    """Gradients of one weight, summed over images.

    Attributes
    ----------
    total : ndarray, shape (outputs, inputs)
        The sum of the gradients.
    squared : float
        The sum of their squared norms.
    images : int
    """

    total: NDArray[np.float64]
    squared: float
    images: int

    def agreement(self) -> float:
        """Return |mean gradient|^2 / mean |gradient|^2.

        1 where all images ask for the same change, 1 / images where their gradients are orthogonal,
        0 where they cancel; NaN where all are zero.
        """
        if self.squared == 0:
            return float("nan")
        return float(np.square(self.total).sum()) / (self.images * self.squared)


def gradient_sums(
    backbone: Backbone, layers: list[str], inputs: Tensor, targets: Tensor
) -> dict[str, GradientSums]:
    """Sum the gradients of the cross-entropy of each image, for the weights of linear maps.

    Parameters
    ----------
    backbone : Backbone
    layers : list of str
    inputs : Tensor, shape (N, ...)
        Prepared.
    targets : Tensor of int64, shape (N,)
    """
    found: dict[str, GradientSums] = {}
    for start in range(0, len(targets), _BATCH):
        part = slice(start, start + _BATCH)
        signals = batch_signals(backbone.module, layers, inputs[part], targets[part])
        for name, (given, back) in signals.items():
            # (images, outputs, inputs), each summed over positions.
            each = (back.transpose(1, 2) @ given).double()
            total, squared = each.sum(dim=0).cpu().numpy(), float(torch.square(each).sum())
            if name in found:
                total, squared = total + found[name].total, squared + found[name].squared
            found[name] = GradientSums(total, squared, min(part.stop, len(targets)))
    return found

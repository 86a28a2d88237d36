"""How far the gradients of single images agree, and what groups of neurons keep of their mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kshot_viz.analysis.alignment.maps import batch_signals
from kshot_viz.grouping.labels import Labels
from kshot_viz.models.backbone import Backbone

_BATCH = 32
_NAN = float("nan")


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
            return _NAN
        return float(np.square(self.total).sum()) / (self.images * self.squared)

    def kept(self, labels: Labels) -> float:
        """Return the share of the squared norm of the gradient that the means of groups have.

        Parameters
        ----------
        labels : ndarray of int, shape (outputs,)
            The group of each neuron. 1 where the gradients of a group are equal; NaN where the
            gradient is zero.
        """
        sizes = np.bincount(labels)
        sums = np.zeros((len(sizes), self.total.shape[1]))
        np.add.at(sums, labels, self.total)
        own = float(np.square(self.total).sum())
        held = float((np.square(sums).sum(axis=1) / sizes).sum())
        return held / own if own else _NAN

    def kept_by_chance(self, labels: Labels) -> float:
        """Return what :meth:`kept` is in the mean over all groups of the same sizes.

        For n neurons in k groups, with gradients r_i: the mean of |sum of a group|^2 / size is
        S / n + (size - 1) / (n (n - 1)) (|sum of all|^2 - S), with S the sum of |r_i|^2.
        """
        n, k = len(labels), len(np.unique(labels))
        own = float(np.square(self.total).sum())
        if not own:
            return _NAN
        cross = float(np.square(self.total.sum(axis=0)).sum()) - own
        return (k * own / n + (n - k) / (n * max(n - 1, 1)) * cross) / own


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

"""The loss that every method minimises unless it has its own."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy over images.

    Parameters
    ----------
    logits : Tensor, shape (images, classes), or (candidates, classes, images)
    targets : Tensor of int64, shape (images,)

    Returns
    -------
    Tensor, scalar, or of shape (candidates,)
    """
    if logits.ndim == 2:
        return F.cross_entropy(logits, targets)
    each = F.cross_entropy(logits, targets.expand(len(logits), -1), reduction="none")
    return each.mean(dim=1)

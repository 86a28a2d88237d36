"""Which images of the support a step uses."""

from __future__ import annotations

import torch
from torch import Tensor

from kshot_viz.seeds import torch_rng


def batch_rows(images: int, batch_size: int | None, step: int, seed: int) -> Tensor | None:
    """Return the images of a step, drawn without replacement inside an epoch.

    Parameters
    ----------
    images : int
        Of the support.
    batch_size : int or None
    step : int
        Steps before this one.
    seed : int
        Of the run.

    Returns
    -------
    Tensor of int64 or None
        None for all images, in their order.
    """
    if batch_size is None or batch_size >= images:
        return None
    epoch, number = divmod(step, -(-images // batch_size))
    order = torch.randperm(images, generator=torch_rng(seed, "mini-batches", epoch))
    return order[number * batch_size : (number + 1) * batch_size]

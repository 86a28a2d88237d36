"""One prototype of a class from its description and a few of its images."""

from __future__ import annotations

from torch import Tensor

# As how many images a description counts, where no classes were held out to choose it on.
PRIOR_COUNT = 4.0


def blend(prototypes: Tensor, sums: Tensor, counts: Tensor, prior_count: float) -> Tensor:
    """Return ``(n0 p + sum of features) / (n0 + k)``.

    Parameters
    ----------
    prototypes, sums : Tensor
        (..., features): prototypes, and sums of standardised features.
    counts : Tensor
        (...,): the number of images in each sum.
    prior_count : float
        n0.
    """
    return (prior_count * prototypes + sums) / (prior_count + counts[..., None])

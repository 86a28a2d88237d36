"""Derive the seed of every random choice from its name.

A child seed depends only on the parent seed and the path of names that leads to it, never on how
many random numbers were drawn before. So any single row of any table can be run again alone.
"""

from __future__ import annotations

import numpy as np
import torch

from kshot_viz.errors import KShotValueError
from kshot_viz.records import content_digest


def child_seed(seed: int, *names: object) -> int:
    """Derive the seed of ``"name/name/..."`` below ``seed``.

    Parameters
    ----------
    seed : int
        The parent seed, any integer >= 0.
    *names : object
        The path, for example ``"episode", 17``; each part is turned into text.

    Returns
    -------
    int
        A seed in ``[0, 2**63)``, the same on every machine.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise KShotValueError(f"`seed` must be an integer >= 0; not {seed!r}.")
    path = "/".join([str(int(seed)), *map(str, names)])
    return int(content_digest([path])[:16], 16) >> 1


def numpy_rng(seed: int, *names: object) -> np.random.Generator:
    """Return numpy's generator for the child seed of that name."""
    return np.random.default_rng(child_seed(seed, *names))


def torch_rng(seed: int, *names: object) -> torch.Generator:
    """Return torch's CPU generator for the child seed of that name."""
    return torch.Generator().manual_seed(child_seed(seed, *names))

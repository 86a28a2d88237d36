"""A small grid of toy networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.analysis import TransferGrid, transfer_grid
from kshot_viz.analysis.transfer.source_network import TRAINING

GRID = kv.TuningGrid(lrs=(0.01,), head_lrs=(0.1,), head_only_lrs=(0.1,), steps=(4,))
STARTS = ("random", "mean_variance", "frozen", "last_block", "all", "hybrid:conv", "hybrid:deep")
SHORT = TRAINING.but(steps=10, batch_size=12)


def target(seed: int = 0, name: str = "target") -> kv.ImageDataset:
    """Return images of three classes."""
    return replace(toy_data(3, 24, seed=seed), name=name)


def grid_of(sources: Any = None, targets: Any = None, **options: Any) -> TransferGrid:
    """Return the grid of a learned source and a given one, with some options changed."""
    changed: dict[str, Any] = {
        "networks": {"toy": toy_backbone()},
        "starts": STARTS,
        "shots": 2,
        "query": 4,
        "episodes": 3,
        "n_val": 1,
        "seeds": (0, 1),
        "grid": GRID,
        "training": SHORT,
    } | options
    sources = {"data": target(seed=7), "net": toy_backbone(seed=3)} if sources is None else sources
    return transfer_grid(sources, target() if targets is None else targets, **changed)

"""A transfer grid with accuracies written by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from kshot_viz.analysis import TransferGrid
from kshot_viz.analysis.transfer.columns import LAYERS, ROWS

METHODS = {"random": "plain", "all": "plain", "hybrid:conv": "plain", "frozen": "head_only"}
# Accuracies of each source and start, before what an episode and a seed add.
SHARES = {
    ("random", "random"): 0.70,
    ("random", "frozen"): 0.40,
    ("near", "frozen"): 0.65,
    ("near", "all"): 0.75,
    ("near", "hybrid:conv"): 0.72,
    ("far", "frozen"): 0.25,
    ("far", "all"): 0.70,
    ("far", "hybrid:conv"): 0.69,
}


def hand_rows(
    shares: Mapping[tuple[str, str], float] = SHARES,
    *,
    episodes: int = 12,
    seeds: tuple[int, ...] = (0, 1),
    target: str = "target",
) -> pd.DataFrame:
    """Return rows whose episodes differ by 1 point, a source's by 0.4 more every second time."""
    rows = [
        {
            "source": source,
            "target": target,
            "network": "net",
            "start": start,
            "method": METHODS[start],
            "seed": seed,
            "shot": 5,
            "episode": f"test/{episode}",
            "accuracy": share + 0.01 * episode + (source != "random") * 0.004 * (episode % 2),
            "way": 5,
            "status": "ok",
            "steps": 40,
            "tuned": "{}",
        }
        for (source, start), share in shares.items()
        for seed in seeds
        for episode in range(episodes)
    ]
    return pd.DataFrame(rows)[ROWS]


def hand_grid(rows: pd.DataFrame | None = None) -> TransferGrid:
    """Return a grid of such rows, without studies."""
    rows = hand_rows() if rows is None else rows
    names = {
        "sources": [one for one in dict.fromkeys(rows["source"]) if one != "random"],
        "targets": list(dict.fromkeys(rows["target"])),
        "starts": list(dict.fromkeys(rows["start"])),
    }
    layers = pd.DataFrame(
        [("near", "target", "net", "all", 5, 0, "with random", "conv", "cka", 0.5)],
        columns=LAYERS,
    )
    manifest = {**names, "seeds": [0, 1], "learned": [], "cells": []}
    return TransferGrid(rows, layers, {}, manifest)

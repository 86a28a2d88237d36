"""Nearest class mean on scikit-learn's digits, 10-way: what the bundled network's features hold.

Usage: python benchmarks/glyphnet_digits.py [FOLDER ...]

Each FOLDER is what ``kshot-viz pretrain --out FOLDER`` wrote; the bundled network, the same network
with random weights and the bare pixels are always measured. Prints a Markdown table.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from torch import nn

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import sample_episodes
from kshot_viz.data.registry import load_dataset
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.nearest_mean import nearest_mean_accuracy
from kshot_viz.models.registry import bundled_glyphnet, load_backbone
from kshot_viz.stats import Interval, bootstrap_mean

EPISODES = 200
SHOTS = (1, 5)


def main(folders: list[str]) -> None:
    """Print one row per network."""
    digits = load_dataset("digits")
    print("| features | homoglyphs | held-out letters, 1 / 5 shots | digits, 1 shot | 5 shots |")
    print("| --- | --- | --- | --- | --- |")
    for name, network, record in _networks(folders):
        scores = " | ".join(_score(network, digits, shot).percent() for shot in SHOTS)
        print(f"| {name} | {record.get('homoglyphs', '')} | {_held_out(record)} | {scores} |")


def _networks(folders: list[str]) -> list[tuple[str, Any, dict[str, Any]]]:
    bundled = load_backbone("glyphnet")
    rows = [
        ("bare pixels", nn.Flatten(), {}),
        ("random weights", load_backbone("glyphnet", weights=None), {}),
        ("bundled", bundled, bundled.notes["record"]),
    ]
    for folder in folders:
        module, preprocess, record = bundled_glyphnet(Path(folder))
        rows.append(
            (Path(folder).name, Backbone(module, head="head", preprocess=preprocess), record)
        )
    return rows


def _score(network: Any, digits: ImageDataset, shot: int) -> Interval:
    episodes = sample_episodes(digits, way=10, shot=shot, n=EPISODES, seed=0)
    return bootstrap_mean(nearest_mean_accuracy(network, digits, episodes))


def _held_out(record: dict[str, Any]) -> str:
    scores = record.get("held_out")
    return " / ".join(f"{100 * scores[f'{s}_shot']['mean']:.1f}" for s in SHOTS) if scores else ""


if __name__ == "__main__":
    main(sys.argv[1:])

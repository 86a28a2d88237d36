"""The bundled network measured, and the trials that chose its recipe.

Usage: python benchmarks/glyphnet_digits.py [FOLDER ...]
       python benchmarks/glyphnet_digits.py --recipes [NAME ...]

The first prints the nearest class mean on digits, 10-way, as a Markdown table: bare pixels, random
weights, the bundled network, and every FOLDER that ``kshot-viz pretrain --out FOLDER`` wrote. The
second trains the recipes that were compared and prints their accuracy on held-out letters; no digit
is used there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import sample_episodes
from kshot_viz.data.glyphs.jitter import Jitter
from kshot_viz.data.load_dataset import load_dataset
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.glyphnet.pretrain import PretrainRecipe, pretrain_glyphnet
from kshot_viz.models.loading.load_backbone import bundled_glyphnet, load_backbone
from kshot_viz.models.nearest_mean import nearest_mean_accuracy
from kshot_viz.stats import Interval, bootstrap_mean

RECIPES = {
    "mild jitter": PretrainRecipe(jitter=Jitter()),
    "default": PretrainRecipe(),
    "averaged weights": PretrainRecipe(average=0.15),
}
EPISODES = 200
SHOTS = (1, 5)


def main(arguments: list[str]) -> None:
    """Do what the usage above says."""
    if arguments[:1] == ["--recipes"]:
        compare_recipes(arguments[1:] or list(RECIPES))
    else:
        measure(arguments)


def compare_recipes(names: list[str]) -> None:
    """Train each recipe from nothing and print its held-out accuracy."""
    print("| recipe | 10-way, 1 shot | 5 shots | all letters, 1 shot | 5 shots |")
    print("| --- | --- | --- | --- | --- |")
    for name in names:
        with TemporaryDirectory() as folder:
            record = pretrain_glyphnet(folder, recipe=RECIPES[name], progress=False)
        print(f"| {name} | {_held_out(record, '10', 'all')} |", flush=True)


def measure(folders: list[str]) -> None:
    """Print one row per network."""
    digits = load_dataset("digits")
    print("| features | held-out letters, 1 shot | 5 shots | digits, 1 shot | 5 shots |")
    print("| --- | --- | --- | --- | --- |")
    for name, network, record in _networks(folders):
        scores = " | ".join(_score(network, digits, shot).percent() for shot in SHOTS)
        print(f"| {name} | {_held_out(record, '10')} | {scores} |")


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


def _held_out(record: dict[str, Any], *ways: str) -> str:
    if not record:
        return " | ".join("" for _ in SHOTS for _ in ways)
    scores = [record["held_out"][f"{way}_way_{shot}_shot"] for way in ways for shot in SHOTS]
    return " | ".join(Interval(**score).percent() for score in scores)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Requests that work until a test spoils one thing of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from command_line import UNTUNED, kshot, make_pictures, make_weights, small_run
from networks import toy_backbone, toy_data
from PIL import Image
from safetensors.torch import load_file, save_file

import kshot_viz as kv


@dataclass
class World:
    """A folder of pictures, weights, a toy network and episodes: all of it works until spoilt."""

    here: Path
    pictures: Path
    weights: Path

    @property
    def file(self) -> Path:
        return self.pictures / "bee" / "03.png"

    @cached_property
    def data(self) -> kv.ImageDataset:
        return toy_data(3, 24)

    @cached_property
    def net(self) -> kv.Backbone:
        return toy_backbone()

    @cached_property
    def episodes(self) -> list[kv.Episode]:
        return kv.sample_episodes(self.data, way=3, shot=1, query=5, n=2)

    @cached_property
    def support(self) -> kv.ImageDataset:
        return self.episodes[0].split(self.data)[0]

    def sample(self, **changes: Any) -> list[kv.Episode]:
        return kv.sample_episodes(self.data, **({"way": 3, "shot": 1, "n": 2} | changes))

    def load(self, **options: Any) -> kv.ImageDataset:
        return kv.load_dataset(self.pictures, **options)

    def glyphnet(self, weights: Any = None, **options: Any) -> kv.Backbone:
        given = {"preprocess": "glyphs", "size": 16} | options
        return kv.load_backbone("glyphnet", weights=weights or self.weights, **given)

    def capture(self, net: kv.Backbone | None = None, **options: Any) -> kv.Activations:
        return kv.capture_activations(net or self.net, self.support, **options)

    def group(self, **options: Any) -> kv.Grouping:
        return kv.cluster_neurons(self.capture(), **options)

    def tune(self, support: Any = None, **options: Any) -> kv.FinetuneResult:
        given = {"method": "plain", "config": kv.FinetuneConfig(steps=1)} | options
        return kv.finetune(self.net, support or self.support, **given)

    def evaluate(self, *candidates: kv.Candidate, **options: Any) -> Any:
        tried = candidates or (kv.Candidate(None, kv.FinetuneConfig(steps=1)),)
        return kv.evaluate(self.net, self.data, self.episodes, tried, **options)

    def compare(self, **options: Any) -> kv.Comparison:
        given = {"methods": ["plain"], "tune": None, "config": kv.FinetuneConfig(steps=1)}
        return kv.compare_methods(self.net, self.data, self.episodes, **(given | options))

    def change_weights(self, **changes: torch.Tensor | None) -> Path:
        """Write weights with some tensors added, replaced, or (None) left out."""
        named = {name.replace("__", "."): value for name, value in changes.items()}
        changed = {k: v for k, v in (load_file(self.weights) | named).items() if v is not None}
        save_file(changed, self.here / "changed.safetensors")
        return self.here / "changed.safetensors"

    def written(self, name: str, content: str | bytes) -> Path:
        path = self.here / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def command(self, *words: object) -> list[object]:
        """Return the words of a command that works, with others behind that spoil it."""
        return small_run(self.pictures, self.weights, self.here / "out", *UNTUNED, *words)

    def finished(self) -> Path:
        """Copy the results of a command that worked."""
        return Path(shutil.copytree(self.weights.parent / "finished", self.here / "finished"))

    def asked(self, **changes: Any) -> Path:
        """Copy those results as if something else had been asked for."""
        return rewritten(self.finished() / "request.json", **changes).parent


def make_ready(folder: Path) -> Path:
    """Write pictures, weights, and the results of a small command that worked."""
    make_pictures(folder / "zoo")
    make_weights(folder / "net.safetensors")
    words = small_run(folder / "zoo", folder / "net.safetensors", folder / "finished", *UNTUNED)
    # Nothing here looks at the figures, and drawing them takes longer than all the rest.
    drawn = dict.fromkeys(("comparison_figures", "grouping_figures"), lambda *inputs: {})
    with patch.multiple("kshot_viz.cli.results", **drawn):
        assert kshot(*words, "--episodes", 1).code == 0
    return folder


def cut(path: Path, share: float = 0.5) -> Path:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    return path


def rewritten(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def saved_episodes(world: World) -> Path:
    kv.save_episodes(world.episodes, world.here / "episodes.json")
    return world.here / "episodes.json"


def saved_grouping(world: World) -> Path:
    return kv.Grouping.one_group(world.net).save(world.here / "groups.json")


def saved_comparison(world: World) -> Path:
    return world.compare().save(world.here / "results")


def nan_weights(world: World) -> kv.Backbone:
    net = toy_backbone()
    with torch.no_grad():
        net.module.deep.weight[1, 0] = float("nan")
    return net


def scan(values: float) -> Image.Image:
    return Image.fromarray(np.full((20, 20), values, dtype=np.float32))


def lost(world: World) -> Any:
    data = world.load()
    world.file.unlink()
    return kv.finetune(world.glyphnet(), data, method="plain")


def skipped_to_nothing(world: World) -> Any:
    for path in (world.pictures / "bee").iterdir():
        path.write_bytes(b"no picture")
    return world.load(skip_bad=True)


def spoilt(path: Path, spoil: Callable[[Path], object], then: Callable[[], Any]) -> Any:
    spoil(path)
    return then()

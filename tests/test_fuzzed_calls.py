"""Hundreds of calls, each with one wrong argument: a KShotError or a right answer, and soon.

Every case takes a call that works and puts an odd value in the place of one argument. Which ones
are drawn is decided by a seed, so a failure can be looked at again by its name.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.seeds import numpy_rng

CALLS = 320
# Most take milliseconds; the machine may be busy.
SECONDS = 60.0
ODD: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "True": lambda: True,
    "zero": lambda: 0,
    "minus one": lambda: -1,
    "a huge number": lambda: 10**400,
    "1e308": lambda: 1e308,
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "a float": lambda: 1.5,
    "a digit as text": lambda: "2",
    "no text": lambda: "",
    "a word": lambda: "grouped?",
    "bytes": lambda: b"plain",
    "NUL": lambda: "\x00",
    "no list": list,
    "a list of None": lambda: [None],
    "a nested list": lambda: [[1], [2, 3]],
    "a dict": lambda: {"lr": 0.1},
    "a set": lambda: {1, 2},
    "an object": object,
    "a class": lambda: dict,
    "a function": lambda: len,
    "a module": lambda: torch.nn.Linear(2, 2),
    "no array": lambda: np.zeros(0),
    "an array of NaN": lambda: np.full((2, 8, 8), np.nan),
    "an array of texts": lambda: np.array(["a", "b"]),
    "an array of dates": lambda: np.array(["2020-01-01"], dtype="datetime64[D]"),
    "complex numbers": lambda: np.ones((2, 8, 8), complex),
    "a meta tensor": lambda: torch.zeros(1, 1, 8, 8, device="meta"),
    "a generator": lambda: (i for i in range(3)),
    "a device": lambda: torch.device("cpu"),
}


class World:
    """What the calls need, made once."""

    def __init__(self) -> None:
        self.net, self.data = toy_backbone(), toy_data(3, 24)
        self.episodes = kv.sample_episodes(self.data, way=3, shot=1, query=5, n=2)
        self.support, self.query = self.episodes[0].split(self.data)
        self.activations = kv.capture_activations(self.net, self.support)
        self.grouping = kv.cluster_neurons(self.activations, n_groups=2)
        self.config = kv.FinetuneConfig(steps=1)
        self.candidates = [kv.Candidate(self.grouping, self.config)]
        self.result = kv.finetune(
            self.net, self.support, grouping=self.grouping, config=self.config
        )
        self.table = kv.compare_methods(
            self.net,
            self.data,
            self.episodes,
            methods=["plain", "head_only"],
            tune=None,
            config=self.config,
        )


@cache
def world() -> World:
    """Return the one of this process."""
    return World()


def calls(w: World) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """Return functions with arguments that work."""
    layer = next(iter(w.net.layers))
    return {
        "finetune": (
            kv.finetune,
            {
                "backbone": w.net,
                "support": w.support,
                "method": "grouped",
                "grouping": w.grouping,
                "config": w.config,
                "seed": 0,
                "device": None,
                "progress": False,
            },
        ),
        "evaluate": (
            kv.evaluate,
            {
                "backbone": w.net,
                "data": w.data,
                "episodes": w.episodes,
                "candidates": w.candidates,
                "executor": "serial",
                "workers": 1,
                "at_steps": [1],
                "path": "auto",
                "max_memory": 10**9,
                "mix_names": True,
                "device": None,
                "seed": 0,
            },
        ),
        "compare_methods": (
            kv.compare_methods,
            {
                "backbone": w.net,
                "data": w.data,
                "episodes": w.episodes,
                "methods": ["plain"],
                "groups_from": "support",
                "n_groups": 2,
                "tune": None,
                "n_val": 2,
                "grid": None,
                "choose": "best",
                "race": True,
                "config": w.config,
                "full": False,
                "budget_minutes": None,
                "seed": 0,
            },
        ),
        "capture_activations": (
            kv.capture_activations,
            {
                "backbone": w.net,
                "images": w.support,
                "layers": [layer],
                "pool": "grid",
                "grid": 2,
                "batch_size": 4,
                "max_memory": None,
                "dtype": None,
                "device": None,
            },
        ),
        "cluster_neurons": (
            kv.cluster_neurons,
            {
                "activations": w.activations,
                "n_groups": 2,
                "method": "kmeans",
                "max_within": None,
                "min_between": None,
                "dead": "keep",
                "seed": 0,
            },
        ),
        "sample_episodes": (
            kv.sample_episodes,
            {
                "data": w.data,
                "way": 3,
                "shot": 1,
                "query": 5,
                "n": 1,
                "val_share": 0.4,
                "seed": 0,
                "pool": "test",
                "min_query": 5,
            },
        ),
        "from_arrays": (
            kv.ImageDataset.from_arrays,
            {
                "images": np.zeros((4, 8, 8), np.uint8),
                "labels": ["a", "a", "b", "b"],
                "classes": None,
                "name": "mine",
            },
        ),
        "FinetuneConfig": (
            kv.FinetuneConfig,
            {
                "optimizer": "sgd",
                "lr": 0.1,
                "head_lr": 0.1,
                "steps": 1,
                "momentum": 0.9,
                "weight_decay": 0.0,
                "layer_lr": {},
                "others": "train",
                "reduce": "mean",
            },
        ),
        "Candidate": (
            kv.Candidate,
            {"grouping": w.grouping, "config": w.config, "method": "grouped", "name": "x"},
        ),
        "Grouping": (kv.Grouping, {"labels": {layer: [0] * 6}}),
        "TuningGrid": (
            kv.TuningGrid,
            {"lrs": (0.1,), "head_lrs": (0.1,), "steps": (1,), "others": {}, "extend": 1},
        ),
        "Preprocess": (
            kv.Preprocess,
            {"size": 8, "resize": "crop", "channels": "RGB", "mean": (0.0,), "std": (1.0,)},
        ),
        "score": (w.result.score, {"images": w.query.images, "labels": w.query.labels}),
        "predict": (w.result.predict, {"images": w.query.images}),
        "neuron_gradients": (
            kv.neuron_gradients,
            {"backbone": w.net, "support": w.support, "head_steps": 1, "head_lr": 0.1},
        ),
        "pseudo_episode_reward": (
            kv.pseudo_episode_reward,
            {"source": w.data, "way": 3, "shot": 1, "query": 3, "n": 1, "seed": 0},
        ),
        "cross_validation_reward": (
            kv.cross_validation_reward,
            {"support": w.data, "source": None, "seed": 0},
        ),
        "split": (w.episodes[0].split, {"data": w.data}),
        "replay": (w.table.replay, {"row": 0}),
        "summary": (w.table.summary, {"reference": "plain"}),
        "load_dataset": (kv.load_dataset, {"name_or_path": "digits"}),
        "load_backbone": (kv.load_backbone, {"name": "glyphnet", "size": 28}),
    }


NAMES = [(name, argument) for name, (_, given) in calls(world()).items() for argument in given]
EVERY = [(*name, odd) for name in NAMES for odd in ODD]
DRAWN = [EVERY[i] for i in sorted(numpy_rng(0, "calls").permutation(len(EVERY))[:CALLS])]


@pytest.mark.parametrize(("name", "argument", "odd"), DRAWN)
def test_an_odd_argument_is_an_error_of_ours_or_works(name, argument, odd):
    function, given = calls(world())[name]
    begin = time.monotonic()
    # Any other error fails the test.
    with suppress(kv.KShotError):
        function(**given | {argument: ODD[odd]()})
    assert time.monotonic() - begin < SECONDS


@pytest.mark.parametrize("name", sorted({name for name, _ in NAMES}))
def test_the_call_that_is_spoilt_works(name):
    function, given = calls(world())[name]
    function(**given)

"""What the step size of a layer is multiplied by, and the words for settings."""

from __future__ import annotations

import json
from collections import OrderedDict

import numpy as np
import pytest
import torch
from networks import toy_backbone
from torch import nn

import kshot_viz as kv
from kshot_viz.errors import KShotValueError
from kshot_viz.methods.registry import resolve_method
from kshot_viz.methods.slots import layer_steps


@pytest.mark.parametrize(
    ("method", "config", "expected"),
    [
        ("plain", {}, {"conv": 1.0, "deep": 1.0}),
        ("plain", {"layer_lr": {"conv": 0, "deep": 0.3}}, {"conv": 0.0, "deep": 0.3}),
        ("plain", {"lr": 0.0}, {"conv": 0.0, "deep": 0.0}),
        ("head_only", {}, {"conv": 0.0, "deep": 0.0}),
        ("grouped", {"others": "freeze"}, {"conv": 0.0, "deep": 1.0}),
    ],
)
def test_the_multiplier_of_each_layer(method, config, expected):
    network, settings = toy_backbone(), kv.FinetuneConfig(**config)
    plans = resolve_method(method).plan(network, ["deep"], settings)
    assert layer_steps(network, plans, settings) == expected


def test_settings_in_words():
    assert kv.FinetuneConfig().summary == "lr 0.003, head_lr 0.1, 40 steps"
    many = {f"layer{i}": 0.0 for i in range(7)} | {"top": 0.3}
    config = kv.FinetuneConfig(lr=0.1, steps=1, optimizer="adam", momentum=0.5, layer_lr=many)
    assert config.summary == (
        "lr 0.1, head_lr 0.1, 1 step, optimizer adam, momentum 0.5, top ×0.3, "
        "frozen: layer0, layer1, layer2, layer3, 3 more"
    )


def test_a_container_that_the_head_is_in_multiplies_what_is_beside_it():
    classifier = nn.Sequential(nn.Linear(9, 6), nn.ReLU(), nn.Linear(6, 3))
    network = kv.Backbone(
        nn.Sequential(OrderedDict(body=nn.Flatten(), classifier=classifier)),
        head="classifier.2",
        example=torch.zeros(2, 1, 3, 3),
    )
    settings = kv.FinetuneConfig(layer_lr={"classifier": 0.1})
    plans = resolve_method("plain").plan(network, [], settings)
    assert layer_steps(network, plans, settings) == {"classifier.0": 0.1}
    with pytest.raises(KShotValueError, match=r"names the head, 'classifier\.2'"):
        resolve_method("plain").plan(network, [], kv.FinetuneConfig(layer_lr={"classifier.2": 0.1}))


def test_numbers_of_numpy_are_those_of_python():
    config = kv.FinetuneConfig(
        steps=np.int64(3), lr=np.float64(0.1), layer_lr={"conv": np.float32(0.5)}
    )
    same = kv.FinetuneConfig(steps=3, lr=0.1, layer_lr={"conv": 0.5})
    assert (config.key, type(config.steps), type(config.lr)) == (same.key, int, float)
    assert config == same
    grid = kv.TuningGrid(steps=np.array([2, 4]), others={"penalty": np.array([0.1, 1.0])})
    assert (
        json.loads(json.dumps(grid.to_dict()))
        == kv.TuningGrid(steps=(2, 4), others={"penalty": (0.1, 1.0)}).to_dict()
    )
    with pytest.raises(KShotValueError, match=r"others\['penalty'\]` must be a list"):
        kv.TuningGrid(others={"penalty": 0.1})

"""What the step size of a layer is multiplied by, and the words for settings."""

from __future__ import annotations

import pytest
from networks import toy_backbone

import kshot_viz as kv
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

"""Random weights do not depend on the values that they replace."""

from __future__ import annotations

import math

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from kshot_viz.models.fresh_weights import DEVIATION, draw_anew


class Attending(nn.Module):
    """What an encoder has: tables, tokens and scales of its own, and attention."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, 50, 16))
        self.class_token = nn.Parameter(torch.zeros(1, 1, 16))
        self.scale = nn.Parameter(torch.zeros(16))
        self.added_bias = nn.Parameter(torch.zeros(16))
        self.temperature = nn.Parameter(torch.zeros(()))
        self.counts = nn.Parameter(torch.arange(3), requires_grad=False)
        self.attention = nn.MultiheadAttention(16, 2)
        self.norm = nn.LayerNorm(16)


class Scaled(nn.Linear):
    """A map that inherits the initialisation of its parent, which knows no scale."""

    def __init__(self):
        super().__init__(4, 4)
        self.scale = nn.Parameter(torch.zeros(4, 4))


def drawn(module, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        for one in module.modules():
            draw_anew(one)
    return {name: one.detach().clone() for name, one in module.named_parameters()}


def filled(module, value):
    with torch.no_grad():
        for one in module.parameters():
            if one.is_floating_point():
                one.fill_(value)
    return module


@pytest.mark.parametrize(
    "make",
    [
        Attending,
        Scaled,
        lambda: weight_norm(nn.Linear(5, 3)),
        lambda: nn.Transformer(8, 2, 1, 1, 8, batch_first=True),
        lambda: torchvision.models.VisionTransformer(16, 8, 1, 2, 8, 16, num_classes=3),
        lambda: torchvision.models.convnext_tiny().features[1],
    ],
)
def test_nothing_of_the_source_is_left(make):
    first, second = (drawn(filled(make(), value)) for value in (7.0, -3.0))
    assert first.keys() == second.keys()
    for name, one in first.items():
        assert torch.equal(one, second[name]), name
        assert not torch.isnan(one).any(), name
        assert not (one == 7.0).any(), name


def test_a_source_with_its_values_in_another_order_has_the_same_random_weights():
    torch.manual_seed(1)
    given, turned = Attending(), Attending()
    with torch.no_grad():
        for one, other in zip(given.parameters(), turned.parameters(), strict=True):
            if one.is_floating_point():
                one.normal_()
                other.copy_(one.flatten().flip(0).view_as(one))
    one, other = drawn(given), drawn(turned)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_no_module_initialises_has_a_fixed_rule():
    found = drawn(filled(Attending(), 7.0))
    assert found["table"].std() == pytest.approx(DEVIATION, rel=0.1)
    assert abs(found["table"].mean()) < 4 * DEVIATION / math.sqrt(found["table"].numel())
    for name, value in {
        "class_token": 0.0, "added_bias": 0.0, "scale": 1.0, "temperature": 1.0,
    }.items():  # fmt: skip
        assert (found[name] == value).all(), name
    assert found["counts"].tolist() == [0, 1, 2]
    # The seed decides what is drawn.
    assert not torch.equal(drawn(Attending(), 1)["table"], found["table"])


def test_attention_initialises_itself():
    found = drawn(filled(Attending(), 7.0))
    # Xavier's rule for the joint weight of queries, keys and values.
    limit = math.sqrt(6 / (16 + 3 * 16))
    assert 0.9 * limit < found["attention.in_proj_weight"].abs().max() <= limit
    assert (found["attention.in_proj_bias"] == 0).all()
    assert (found["norm.weight"] == 1).all()


def test_a_module_with_its_own_initialisation_draws_as_it_would_alone():
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    found = drawn(filled(layers, 7.0), seed=5)
    torch.manual_seed(5)
    for one in layers:
        one.reset_parameters()
    for name, one in layers.named_parameters():
        assert torch.equal(one, found[name]), name

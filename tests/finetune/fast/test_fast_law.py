"""Law 5: a fast path equals the reference loop."""

from __future__ import annotations

import pytest
import torch
from fast_networks import (
    FAMILY,
    Rows,
    Stack,
    Task,
    alone,
    difference,
    lively,
    shape_of,
    together,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.config import FinetuneConfig
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.models.backbone import Backbone

BOUND = 1e-9
SEEDS = st.integers(0, 2**16)


@st.composite
def groupings(draw, backbone: Backbone):
    """Some of the layers, each with a number of groups of its own."""
    names = list(backbone.layers)
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    return Grouping({name: _labels(draw, backbone.layers[name].width) for name in chosen})


def _labels(draw, width: int) -> list[int]:
    groups = draw(st.integers(1, width))
    return draw(st.lists(st.integers(0, groups - 1), min_size=width, max_size=width))


@st.composite
def candidates(draw, backbone: Backbone, optimizer: str):
    frozen = draw(st.lists(st.sampled_from(list(backbone.layers)), max_size=1))
    config = FinetuneConfig(
        optimizer=optimizer,
        lr=draw(st.sampled_from([1e-4, 1e-3, 1e-2, 0.1, 0.3])),
        head_lr=draw(st.sampled_from([0.01, 0.1, 0.3])),
        momentum=draw(st.sampled_from([0.0, 0.5, 0.9])),
        weight_decay=draw(st.sampled_from([0.0, 0.01, 0.3])),
        reduce=draw(st.sampled_from(["mean", "sum"])),
        others=draw(st.sampled_from(["train", "freeze"])),
        layer_lr=dict.fromkeys(frozen, 0.0),
        steps=40,
    )
    if draw(st.booleans()):
        return Candidate(draw(groupings(backbone)), config)
    return Candidate(None, config, draw(st.sampled_from(["plain", "last_block", "head_only"])))


def largest_difference(data: st.DataObject, name: str, most: int) -> float:
    make, seed = FAMILY[name], data.draw(SEEDS)
    width = data.draw(st.integers(4, 8))
    backbone = lively(lambda: make(width), seed=seed, shape=shape_of(make))
    task = Task.draw(shape_of(make), data.draw(st.sampled_from([6, 9])), seed=seed)
    optimizer = data.draw(st.sampled_from(["sgd", "adam", "adamw"]))
    tried = data.draw(st.lists(candidates(backbone, optimizer), min_size=1, max_size=most))
    asked = torch.cat([task.support.inputs, task.others])
    found = together(backbone, task, tried, asked)
    expected = [alone(backbone, task, one, asked) for one in tried]
    return max(map(difference, found, expected))


@pytest.mark.parametrize("name", FAMILY)
@settings(max_examples=6)
@given(data=st.data())
def test_candidates_together_equal_the_loop(name, data):
    assert largest_difference(data, name, most=5) <= BOUND

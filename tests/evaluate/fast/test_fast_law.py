"""Law 5: a fast path equals the reference loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from fast_networks import (
    EXPORTED,
    FAMILY,
    Task,
    by_loop,
    difference,
    lively,
    shape_of,
    together,
    with_other_last_bits,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.rivals.gradual import Gradual
from kshot_viz.methods.rivals.lp_ft import LpFt
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.head_init import HeadInit

BOUND = 1e-9
NETWORKS = FAMILY | EXPORTED  # Export takes a while, so those are tried less often.
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


def largest_excess(data: st.DataObject, name: str) -> float:
    """Return the largest difference between both paths, in units of what is allowed."""
    make, seed = NETWORKS[name], data.draw(SEEDS)
    width = data.draw(st.integers(4, 8))
    backbone = lively(lambda: make(width), seed=seed, shape=shape_of(make))
    task = Task.draw(shape_of(make), data.draw(st.sampled_from([6, 9])), seed=seed)
    optimizer = data.draw(st.sampled_from(["sgd", "adam", "adamw"]))
    head = HeadInit(data.draw(st.sampled_from(["zeros", "class_means", "imprinted"])))
    drawn = data.draw(st.lists(candidates(backbone, optimizer), min_size=1, max_size=5))
    tried = [one.at(head=head) for one in drawn]
    images = torch.cat([task.support.inputs, task.others])
    found = together(backbone, task, tried, images)
    excess = (excess_of(backbone, task, *one, images) for one in zip(tried, found, strict=True))
    return max(excess)


def excess_of(
    backbone: Backbone, task: Task, candidate: Candidate, found: Tensor | None, images: Tensor
) -> float:
    """Some runs amplify rounding at every step: there the loop is no closer to itself."""
    expected = by_loop(backbone, task, candidate, images)
    gap = difference(found, expected)
    return gap / BOUND if gap <= BOUND else gap / max(BOUND, own(backbone, task, candidate, images))


def own(backbone: Backbone, task: Task, candidate: Candidate, images: Tensor) -> float:
    """Return 10 times what the loop itself changes by rounding.

    Adam with large steps can amplify the last bits of the weights a hundred times more than the
    order of the images.
    """
    given = backbone, task, candidate, images
    return 10 * max(change_by_order(*given), change_by_last_bits(*given))


def change_by_order(backbone: Backbone, task: Task, candidate: Candidate, images: Tensor) -> float:
    """Return what changes in the loop when its support images are reordered."""
    expected = by_loop(backbone, task, candidate, images)
    size, rng = len(task.support.inputs), np.random.default_rng(0)
    mixed = [task.reordered(rng.permutation(size)) for _ in range(4)]
    return max(difference(by_loop(backbone, one, candidate, images), expected) for one in mixed)


def change_by_last_bits(
    backbone: Backbone, task: Task, candidate: Candidate, images: Tensor
) -> float:
    """Return what changes in the loop when the last bit of every start weight is another."""
    expected = by_loop(backbone, task, candidate, images)
    others = [with_other_last_bits(backbone, seed=seed) for seed in range(4)]
    return max(difference(by_loop(one, task, candidate, images), expected) for one in others)


@pytest.mark.parametrize("name", FAMILY)
@settings(max_examples=6)
@given(data=st.data())
def test_candidates_together_equal_the_loop(name, data):
    assert largest_excess(data, name) <= 1


@pytest.mark.parametrize("name", EXPORTED)
@settings(max_examples=3)
@given(data=st.data())
def test_candidates_of_an_exported_network_equal_the_loop(name, data):
    assert largest_excess(data, name) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILY)
@settings(max_examples=25)
@given(data=st.data())
def test_many_candidates_together_equal_the_loop(name, data):
    assert largest_excess(data, name) <= 1


# -- steps of an ordinary size amplify nothing: no excuse there -----------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("settings", ["sgd 0.0", "sgd 0.9", "adam 0", "adamw 0"])
@pytest.mark.parametrize("name", FAMILY)
def test_at_ordinary_steps_the_bound_holds_without_exception(name, settings, decay):
    assert gap_at_ordinary_steps(name, settings, decay) <= BOUND


@pytest.mark.parametrize("name", EXPORTED)
def test_at_ordinary_steps_it_holds_for_exported_networks(name):
    assert gap_at_ordinary_steps(name, "sgd 0.9", 0.1) <= BOUND


def gap_at_ordinary_steps(name: str, settings: str, decay: float) -> float:
    optimizer, momentum = settings.split()
    backbone, task = lively(NETWORKS[name], shape=shape_of(NETWORKS[name])), draw(name)
    config = FinetuneConfig(optimizer=optimizer, momentum=float(momentum), weight_decay=decay)
    tried = [Candidate(None, config.but(lr=lr)) for lr in (1e-4, 3e-3)]
    tried += [Candidate(halved(backbone), config.but(reduce=one)) for one in ("mean", "sum")]
    found = together(backbone, task, tried, task.others)
    expected = [by_loop(backbone, task, one, task.others) for one in tried]
    assert None not in expected
    return max(map(difference, found, expected))


# -- schedules -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Uneven(Method):
    """Some parameters stay at some steps, and weights and biases of a layer part."""

    name = "uneven"
    label = "uneven"
    every: int = 2

    def schedule(self, network, step):
        for index, name in enumerate(step.lr):
            if (step.number + index) % self.every == 0:
                step.lr[name] = 0.0
            else:
                step.lr[name] *= 1 - step.number / step.total


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["sgd 0.0 0.1", "sgd 0.9 0.0", "adam 0 0.1", "adamw 0 0.1"])
@pytest.mark.parametrize("name", FAMILY)
def test_schedules_are_the_loops(name, settings):
    optimizer, momentum, decay = settings.split()
    backbone, task = lively(FAMILY[name], shape=shape_of(FAMILY[name])), draw(name)
    config = FinetuneConfig(
        optimizer=optimizer, momentum=float(momentum), weight_decay=float(decay), steps=8
    )
    for methods in ([Gradual(), Gradual(share=0.9)], [LpFt()], [Uneven(), Uneven(every=3)]):
        tried = [Candidate(None, config.but(lr=lr), one) for one in methods for lr in (1e-4, 3e-3)]
        found = together(backbone, task, tried, task.others)
        expected = [by_loop(backbone, task, one, task.others) for one in tried]
        assert None not in expected
        assert max(map(difference, found, expected)) <= BOUND


def draw(name: str, **settings) -> Task:
    return Task.draw(shape_of(NETWORKS[name]), **settings)


def halved(backbone: Backbone) -> Grouping:
    return Grouping({name: np.arange(one.width) // 2 for name, one in backbone.layers.items()})


# -- float32 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", ["Stack", "Rows", "Residual"])
def test_in_float32_paths_differ_as_little_as_orders_do(name, optimizer, grouped):
    make, single = NETWORKS[name], torch.float32
    backbone, task = lively(make, shape=shape_of(make), dtype=single), draw(name, dtype=single)
    config = FinetuneConfig(optimizer=optimizer, lr=0.01, steps=40)
    candidate = Candidate(halved(backbone) if grouped else None, config)
    found = together(backbone, task, [candidate, candidate], task.others)
    expected = by_loop(backbone, task, candidate, task.others)
    scale = expected.abs().max().clamp_min(1.0).item()
    orders = 10 * change_by_order(backbone, task, candidate, task.others)
    bound = max(orders, 8 * torch.finfo(single).eps) * scale
    best = expected.topk(2, dim=1).values
    clear = best[:, 0] - best[:, 1] > bound
    for logits in found:
        assert (logits - expected).abs().max() <= bound
        assert torch.equal(logits.argmax(1)[clear], expected.argmax(1)[clear])


# -- the law can fail ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"lr": 0.021}, {"reduce": "sum"}, {"momentum": 0.89}, {"weight_decay": 1e-3}]
)
@pytest.mark.parametrize("name", FAMILY)
def test_other_settings_exceed_the_bound(name, change):
    make = NETWORKS[name]
    backbone, task = lively(make, shape=shape_of(make)), draw(name)
    config = FinetuneConfig(lr=0.02, head_lr=0.3)
    grouping, images = Grouping.one_group(backbone), task.others
    (wrong,) = together(backbone, task, [Candidate(grouping, config.but(**change))], images)
    assert excess_of(backbone, task, Candidate(grouping, config), wrong, images) > 100

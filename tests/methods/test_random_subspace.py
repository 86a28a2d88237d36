"""Training in a random subspace, beside a full matrix of its directions."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from by_hand import accuracies
from fast_networks import FAMILY, Task, lively
from networks import toy_backbone, toy_data
from torch.func import functional_call
from torch.nn import functional as F

import kshot_viz as kv
from kshot_viz.finetune.loop import start_run
from kshot_viz.methods.hooks import Step
from kshot_viz.methods.registry import resolve_method
from kshot_viz.methods.rivals.random_subspace import RandomSubspace, Subspace, subspace_of

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=6, n=2, seed=0)
SUPPORT, QUERY = EPISODES[0].split(DATA)
CONFIG = kv.FinetuneConfig(lr=0.003, head_lr=0.1, steps=8)
TRAINED = kv.FinetuneConfig(lr=0.0003, head_lr=0.03, steps=20)
SMALL = RandomSubspace(dimension=3)


def body_of(network):
    head = network.head_parameters()
    named = network.module.named_parameters()
    return torch.cat([one.detach().flatten() for name, one in named if name not in head])


def logits_of(method, make=FAMILY["Residual"], config=CONFIG, shape=(1, 8, 8)):
    task = Task.draw(shape)
    result = kv.finetune(lively(make, shape=shape), task.support, method=method, config=config)
    with torch.no_grad():
        return result.backbone.module(task.others.clone())


@pytest.mark.parametrize("dimension", [1, 3, 10])
def test_the_body_moves_in_as_many_dimensions_as_stated(dimension):
    method = RandomSubspace(dimension=dimension)
    run = start_run(toy_backbone(dtype=torch.float64), SUPPORT, method, None, CONFIG)
    bodies = torch.stack([body_of(run.backbone) for _ in run.states(0)])
    changes = F.normalize(bodies[2:] - bodies[0], dim=1)
    subspace = subspace_of(run.backbone)
    axes = directions(subspace)
    # Steps of one run are nearly parallel, so the rank is that of points drawn in the subspace.
    reached = []
    for seed in range(3 * dimension + 2):
        drawn = torch.randn(dimension, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            subspace.point.copy_(drawn)
        method.after_step(run.backbone, Step(0, 1, {}))
        reached.append(body_of(run.backbone) - bodies[0])
    assert torch.linalg.matrix_rank(torch.stack(reached), rtol=1e-9) == dimension
    assert torch.linalg.matrix_rank(torch.cat([axes.T, changes]), rtol=1e-9) == dimension
    # From the second step on, since the head starts at zero.
    assert changes.norm(dim=1).min() == pytest.approx(1)


@pytest.mark.parametrize("make", FAMILY.values())
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_as_many_dimensions_as_values_are_plain_fine_tuning(make, optimizer):
    shape = (10,) if make.__name__ == "Rows" else (1, 8, 8)
    config = CONFIG.but(optimizer=optimizer, weight_decay=0.1)
    found = logits_of(RandomSubspace(dimension=10**6), make, config, shape)
    torch.testing.assert_close(found, logits_of("plain", make, config, shape))


def test_multipliers_scale_what_a_parameter_moves():
    support = SUPPORT
    config = CONFIG.but(layer_lr={"conv": 0.5, "deep": 0})
    run = start_run(toy_backbone(), support, RandomSubspace(dimension=40), None, config)
    for _ in run.states(0):
        pass
    subspace, start = subspace_of(run.backbone), toy_backbone().module
    module = run.backbone.module
    assert torch.equal(module.deep.weight, start.deep.weight)
    moves = {
        kind: (
            dict(module.named_parameters())[f"{kind}.weight"]
            - start.get_parameter(f"{kind}.weight")
        )
        for kind in ("conv", "norm")
    }
    points = subspace.point.detach().abs()
    # The coordinate moves by the root of the multiplier, and so does the value by the coordinate.
    for kind, factor in (("conv", 0.5**0.5), ("norm", 0.5**0.5)):
        nearest = (moves[kind].abs().reshape(-1, 1) / factor - points).abs().amin(dim=1)
        assert nearest.max() < 1e-6, kind


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_with_a_coordinate_for_each_value_multipliers_are_those_of_plain_fine_tuning(optimizer):
    config = CONFIG.but(layer_lr={"conv": 0.1, "deep": 0.3}, optimizer=optimizer, lr=0.001)
    given = {"support": SUPPORT, "grouping": None, "config": config}
    runs = [
        start_run(toy_backbone(), method=resolve_method(one), **given)
        for one in (RandomSubspace(dimension=10**6), "plain")
    ]
    for run in runs:
        for _ in run.states(0):
            pass
    few, plain = (dict(run.backbone.module.named_parameters()) for run in runs)
    for name in ("conv.weight", "deep.weight", "norm.bias"):
        torch.testing.assert_close(few[name], plain[name], rtol=1e-3, atol=1e-5)


def test_a_body_that_is_frozen_is_head_only():
    frozen = CONFIG.but(layer_lr={"stem": 0, "first": 0, "second": 0})
    expected = logits_of("head_only")
    assert torch.equal(logits_of(SMALL, config=frozen), expected)
    assert torch.equal(logits_of(SMALL, config=CONFIG.but(lr=0)), expected)


@pytest.mark.parametrize("train_mode", [False, True])
def test_losses_are_those_of_the_network_that_is_returned(train_mode):
    config = CONFIG.but(train_mode=train_mode)
    result = kv.finetune(toy_backbone(), SUPPORT, method=SMALL, config=config)
    assert result.losses[-1] < result.losses[0]
    if not train_mode:
        loss = F.cross_entropy(result.logits(SUPPORT.images), torch.tensor(SUPPORT.targets))
        assert loss.item() == pytest.approx(result.losses[-1], rel=1e-6)
    again = copy.deepcopy(result.backbone.module)
    inputs = result.backbone.prepare(QUERY.images)
    assert torch.equal(again(inputs), result.backbone.module(inputs))


def test_another_seed_draws_another_subspace():
    first, second, again = (
        logits_of(RandomSubspace(dimension=3, subspace_seed=seed)) for seed in (0, 1, 0)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_directions_need_five_bytes_a_value():
    starts = {"a": torch.zeros(300, 100), "b": torch.zeros(7)}
    subspace = Subspace(starts, dict.fromkeys(starts, 1.0), 5000, 0)
    buffers = dict(subspace.named_buffers())
    size = sum(
        one.numel() * one.element_size() for name, one in buffers.items() if "start" not in name
    )
    assert size == 5 * 30007
    found = torch.cat([buffers["axis_0"], buffers["axis_1"]]).bincount(minlength=5000)
    assert (found.min(), found.max()) == (6, 7)


@pytest.mark.parametrize("options", [{"dimension": 0}, {"dimension": 2.5}, {"subspace_seed": -1}])
def test_options_are_checked(options):
    with pytest.raises(kv.KShotError, match=next(iter(options))):
        RandomSubspace(**options)


@pytest.mark.parametrize("name", ["Stack", "Residual", "Tokens"])
def test_it_is_training_along_the_directions(name):
    backbone, task = lively(FAMILY[name]), Task.draw()
    given = (task.support.inputs, task.support.targets)
    expected = along(SMALL, backbone, task.support, *given, task.others, CONFIG)
    torch.testing.assert_close(logits_of(SMALL, FAMILY[name]), expected)


@pytest.mark.slow
def test_it_agrees_on_digits():
    method = RandomSubspace(dimension=64)

    def program(backbone, support, query):
        given = backbone.prepare(support.images), torch.tensor(support.targets)
        others = backbone.prepare(query.images)
        return along(method, backbone, support, *given, others, TRAINED).argmax(dim=1)

    ours, theirs = accuracies(kv.Candidate(None, TRAINED, method), program)
    assert ours == pytest.approx(theirs, abs=1), f"{ours:.2f} and {theirs:.2f}"


def directions(subspace):
    """Return the full matrix of directions, shape (values, coordinates), by its definition."""
    buffers, point = dict(subspace.named_buffers()), subspace.point
    count = len(buffers) // 3
    axes = torch.cat([buffers[f"axis_{i}"] for i in range(count)])
    signs = torch.cat([buffers[f"sign_{i}"] for i in range(count)])
    full = torch.zeros(len(axes), len(point), dtype=point.dtype)
    full[np.arange(len(axes)), axes.long()] = signs.to(point.dtype)
    return full


def along(method, backbone, support, inputs, targets, others, config):
    """Train coordinates of a full matrix by torch's SGD; return the logits of other images."""
    full = directions(subspace_of(start_run(backbone, support, method, None, config).backbone))
    network = backbone.with_new_head(int(targets.max()) + 1)
    module, head = network.module, network.head_parameters()
    named = dict(module.named_parameters())
    body = {name: one.detach() for name, one in named.items() if name not in head}
    start = torch.cat([one.flatten() for one in body.values()])
    point = torch.zeros(full.shape[1], dtype=full.dtype, requires_grad=True)
    parts = [named[name].requires_grad_() for name in head]
    groups = [{"params": [point], "lr": config.lr}, {"params": parts, "lr": config.head_lr}]
    optimizer = torch.optim.SGD(groups, momentum=config.momentum)

    def logits(given):
        moved = (start + full @ point).split([one.numel() for one in body.values()])
        values = {n: v.reshape(body[n].shape) for n, v in zip(body, moved, strict=True)}
        return functional_call(module, values, (given.clone(),))

    for _ in range(config.steps):
        optimizer.zero_grad()
        F.cross_entropy(logits(inputs), targets).backward()
        optimizer.step()
    with torch.no_grad():
        return logits(others)

"""Gradients keep a few directions of the space of neurons."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.errors import KShotError
from kshot_viz.methods.sharing import soft_groups
from kshot_viz.methods.sharing.soft_groups import KERNELS, Projection, SoftGroups, first_directions
from kshot_viz.methods.sharing.ties import Ties
from kshot_viz.testing import check_method

DATA = toy_data(4, 6)
CONFIG = kv.FinetuneConfig(lr=0.05, head_lr=0.1, steps=8)
GROUPS = {"conv": [0, 1, 0, 2, 1, 0], "deep": [0, 0, 1, 1, 2, 2, 3, 3]}


def tuned(method, grouping, config=CONFIG, dtype=torch.float32):
    return kv.finetune(
        toy_backbone(dtype=dtype), DATA, method=method, grouping=grouping, config=config
    )


def block_of_ones(labels):
    labels = np.array(labels)
    return (labels[:, None] == labels[None]).astype(float)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam", "weight_decay": 0.1}])
def test_as_many_directions_as_neurons_are_plain_bit_for_bit(kernel, settings):
    config, alone = CONFIG.but(**settings), kv.Grouping.singletons(toy_backbone())
    first, second = tuned(SoftGroups(kernel=kernel), alone, config), tuned("plain", None, config)
    assert first.losses == second.losses
    for name, value in first.backbone.module.state_dict().items():
        assert torch.equal(value, second.backbone.module.state_dict()[name]), name


@pytest.mark.parametrize("labels", GROUPS.values())
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 3)])
def test_the_kernel_of_hard_groups_averages_inside_them(labels, shape):
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(len(labels), *shape)))
    share = Projection(first_directions(block_of_ones(labels), max(labels) + 1))
    torch.testing.assert_close(share(rows), Ties(labels)(rows))
    torch.testing.assert_close(share.pull(rows), Ties(labels).pull(rows))


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adamw", "weight_decay": 0.1}])
def test_a_run_with_the_kernel_of_hard_groups_is_that_of_the_groups(monkeypatch, settings):
    kernels = iter([block_of_ones(one) for one in GROUPS.values()])
    monkeypatch.setitem(soft_groups.KERNELS, "gaussian", lambda layer: next(kernels))
    config, groups = CONFIG.but(**settings), kv.Grouping(GROUPS)
    soft, hard = (tuned(m, groups, config, torch.float64) for m in ("soft_groups", "grouped"))
    np.testing.assert_allclose(soft.losses, hard.losses, rtol=1e-9)


def test_the_move_of_a_layer_has_as_many_directions_as_groups():
    start = toy_backbone(dtype=torch.float64)
    for kernel in KERNELS:
        end = tuned(SoftGroups(kernel=kernel), kv.Grouping(GROUPS), dtype=torch.float64).backbone
        moved = (end.module.deep.weight - start.module.deep.weight).detach().flatten(1)
        assert torch.linalg.matrix_rank(moved, rtol=1e-8) == 4


@pytest.mark.parametrize("kernel", KERNELS)
def test_projecting_twice_changes_nothing(kernel):
    layer = kv.capture_activations(toy_backbone(12), DATA.images).layer("conv")
    share = Projection(first_directions(KERNELS[kernel](layer), 4))
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(12, 5)))
    torch.testing.assert_close(share(share(rows)), share(rows))
    assert torch.linalg.matrix_rank(share(rows)) == 4


def test_equal_neurons_move_alike():
    rows = np.random.default_rng(0).normal(size=(3, 40))
    kernel = np.corrcoef(rows[[0, 1, 2, 0, 1, 2]])
    share = Projection(first_directions(kernel, 3))
    moved = share(torch.from_numpy(np.random.default_rng(1).normal(size=(6, 4))))
    torch.testing.assert_close(moved[:3], moved[3:])


def test_layers_outside_of_the_grouping_train_freely():
    only = kv.Grouping({"deep": [0] * 8})
    start, end = toy_backbone(), tuned("soft_groups", only).backbone
    deep, conv = (
        (getattr(end.module, one).weight - getattr(start.module, one).weight).detach().flatten(1)
        for one in ("deep", "conv")
    )
    assert torch.linalg.matrix_rank(deep, rtol=1e-4) == 1
    assert torch.linalg.matrix_rank(conv, rtol=1e-4) > 3


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: SoftGroups(kernel=["gaussian"]), "`kernel` must be a text"),
        (lambda: SoftGroups(kernel="linear"), "`kernel` must be one of 'gaussian'"),
        (
            lambda: tuned("soft_groups", kv.Grouping(GROUPS), CONFIG.but(reduce="sum")),
            "Soft groups have no size",
        ),
    ],
)
def test_unfit_options_are_refused(attempt, message):
    with pytest.raises(KShotError, match=message):
        attempt()


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS)
def test_soft_groups_keep_the_contract(kernel):
    check_method(SoftGroups(kernel=kernel))

"""Gradients of neurons while they are tuned, against what the library computes elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.finetune.gradients import gradient_trace
from kshot_viz.finetune.loop import start_run
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.metrics import energy_kept
from kshot_viz.methods.registry import resolve_method

CONFIG = kv.FinetuneConfig(steps=3, lr=0.01)


def test_the_first_gradients_are_zero_and_later_ones_are_not():
    backbone, support = toy_backbone(), toy_data(3, 2)
    trace = gradient_trace(backbone, support, Grouping.one_group(backbone), "conv", config=CONFIG)
    assert trace.alone.shape == trace.shared.shape == (4, 6)
    assert not trace.alone[0].any()
    assert (trace.alone[1:].sum(axis=1) > 0).all()
    assert np.isnan(trace.removed()[0])


def test_one_neuron_a_group_removes_nothing_and_one_group_the_most():
    backbone, support = toy_backbone(), toy_data(3, 2)
    alone, together = (
        gradient_trace(backbone, support, grouping, "deep", config=CONFIG).removed()[1]
        for grouping in (Grouping.singletons(backbone), Grouping.one_group(backbone))
    )
    assert alone == pytest.approx(0, abs=1e-12)
    assert 0 < together < 1


def test_with_a_trained_head_it_is_the_gradient_of_neuron_gradients():
    backbone, support = toy_backbone(), toy_data(3, 2)
    config = kv.FinetuneConfig(steps=20, lr=1e-12, head_lr=0.1)
    grouping = Grouping.contiguous(backbone, n_groups=2)
    trace = gradient_trace(backbone, support, grouping, "deep", config=config)
    gradient = kv.neuron_gradients(backbone, support, head_steps=20, head_lr=0.1)["deep"]
    np.testing.assert_allclose(trace.alone[-1], np.linalg.norm(gradient, axis=1), rtol=1e-3)
    kept = energy_kept(gradient, grouping["deep"])
    assert trace.removed()[-1] == pytest.approx(1 - kept, abs=1e-3)


def test_each_step_has_the_gradient_of_its_own_images():
    backbone, support = toy_backbone(), toy_data(3, 2)
    config = kv.FinetuneConfig(steps=1, lr=0.1, head_lr=0.5, batch_size=2)
    grouping = Grouping.one_group(backbone)
    for seed in (0, 1, 2, 3):
        trace = gradient_trace(backbone, support, grouping, "deep", config=config, seed=seed)
        moved = kv.finetune(
            backbone, support, method="grouped", grouping=grouping, config=config, seed=seed
        )
        run = start_run(moved.backbone, support, resolve_method("grouped"), grouping, config)
        # The head of a new run is at zero; that of the tuned network is put in its stead.
        run.backbone.module.load_state_dict(moved.backbone.module.state_dict())
        loss = run.method.loss(run.backbone, run.batch(1, seed))
        weight, bias = run.backbone.tied_parameters("deep").values()
        rows = torch.autograd.grad(loss, [weight, bias])
        by_hand = torch.cat([one.reshape(len(one), -1) for one in rows], dim=1).norm(dim=1)
        np.testing.assert_allclose(trace.alone[1], by_hand.numpy(), rtol=1e-4, atol=1e-7)


def test_layers_that_do_not_move_are_refused():
    backbone, support = toy_backbone(), toy_data(3, 2)
    grouping = Grouping.one_group(backbone)
    frozen = CONFIG.but(layer_lr={"conv": 0})
    with pytest.raises(KShotValueError, match="freezes layer 'conv'"):
        gradient_trace(backbone, support, grouping, "conv", config=frozen)
    with pytest.raises(KShotKeyError, match="`layer` must be one of"):
        gradient_trace(backbone, support, grouping.only(["conv"]), "deep", config=CONFIG)

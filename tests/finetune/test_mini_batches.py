"""Steps on mini-batches: every epoch sees each image once, and a step is that of its images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data
from torch.nn import functional as F

import kshot_viz as kv
from kshot_viz.errors import KShotError
from kshot_viz.finetune.mini_batches import batch_rows
from kshot_viz.methods.rivals.feature_mixup import FeatureMixup

DATA = toy_data(3, 5)
CONFIG = kv.FinetuneConfig(lr=0.02, head_lr=0.1, steps=7, momentum=0.0)


def tuned(config, method="plain", seed=0):
    return kv.finetune(toy_backbone(), DATA, method=method, config=config, seed=seed)


@pytest.mark.parametrize(("images", "size", "sizes"), [(15, 4, [4, 4, 4, 3]), (6, 3, [3, 3])])
def test_an_epoch_sees_every_image_once(images, size, sizes):
    epochs = []
    for epoch in range(3):
        steps = range(epoch * len(sizes), (epoch + 1) * len(sizes))
        rows = [batch_rows(images, size, step, 0) for step in steps]
        assert [len(one) for one in rows] == sizes
        order = torch.cat(rows).tolist()
        assert sorted(order) == list(range(images))
        epochs.append(order)
    assert epochs[0] != epochs[1] != epochs[2]
    assert batch_rows(images, size, 0, 1).tolist() != epochs[0][:size]


@pytest.mark.parametrize("size", [15, 99])
def test_a_batch_of_all_images_is_the_usual_step(size):
    assert tuned(CONFIG.but(batch_size=size)).losses == tuned(CONFIG).losses


def test_a_run_is_that_of_a_plain_program():
    backbone = toy_backbone()
    found = tuned(CONFIG.but(batch_size=4), seed=3)
    network = backbone.with_new_head(3)
    inputs, targets = backbone.prepare(DATA.images), torch.from_numpy(DATA.targets)
    head = network.head_parameters()
    for step in range(CONFIG.steps):
        rows = batch_rows(len(DATA), 4, step, 3)
        network.module.zero_grad()
        loss = F.cross_entropy(network.module(inputs[rows]), targets[rows])
        assert loss.item() == pytest.approx(found.losses[step], rel=1e-5)
        loss.backward()
        with torch.no_grad():
            for name, one in network.module.named_parameters():
                one -= (CONFIG.head_lr if name in head else CONFIG.lr) * one.grad
    expected = network.module.state_dict()
    for name, value in found.backbone.module.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-6)


def test_a_longer_run_serves_shorter_ones():
    data = toy_data(3, 20)
    episodes = kv.sample_episodes(data, way=3, shot=4, query=5, n=1, val_share=0)
    long = kv.Candidate(None, CONFIG.but(batch_size=5))
    rows = kv.evaluate(toy_backbone(), data, episodes, [long], at_steps=[3, 7])
    for steps in (3, 7):
        alone = kv.evaluate(toy_backbone(), data, episodes, [long.at(steps=steps)])
        served = rows[rows["steps"] == steps]
        for name in ("support_loss", "accuracy"):
            assert served[name].tolist() == alone[name].tolist()
    assert set(rows["path"]) == {"loop"}


def test_kept_features_are_those_of_the_batch():
    config = CONFIG.but(batch_size=4, momentum=0.9)
    frozen = tuned(config, "head_only")
    plain = tuned(config.but(lr=0.0))
    np.testing.assert_allclose(frozen.losses, plain.losses, rtol=1e-5)
    assert tuned(config, FeatureMixup(alpha=0.0)).losses == frozen.losses
    assert tuned(config, FeatureMixup(alpha=1.0)).losses != frozen.losses


def test_records_without_batches_are_those_of_before():
    assert "batch_size" not in CONFIG.to_dict()
    few = CONFIG.but(batch_size=4)
    assert kv.FinetuneConfig.from_dict(few.to_dict()) == few
    assert few.key != CONFIG.key
    assert "batch_size 4" in few.summary


@pytest.mark.parametrize("size", [0, -1, 2.5, "4", True])
def test_unfit_sizes_are_refused(size):
    with pytest.raises(KShotError, match="`batch_size` must be"):
        kv.FinetuneConfig(batch_size=size)

"""A head of scaled cosines, beside the same one trained by hand on features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import accuracies
from networks import toy_backbone, toy_data
from torch.nn import functional as F

import kshot_viz as kv
from kshot_viz.methods.rivals.cosine_head import CosineHead
from kshot_viz.models.nearest_mean import penultimate_features

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=6, n=3, seed=0)
CONFIG = kv.FinetuneConfig(head_lr=0.1, steps=12)
CANDIDATE = kv.Candidate(None, kv.FinetuneConfig(head_lr=0.1, steps=20), "cosine_head")


def by_hand(backbone, support, query, lr=0.1, steps=20):
    given = F.normalize(penultimate_features(backbone, support.images), dim=1)
    targets = torch.tensor(support.targets)
    means = [given[targets == one].mean(dim=0) for one in range(int(targets.max()) + 1)]
    weight = F.normalize(torch.stack(means), dim=1).requires_grad_()
    scale = torch.tensor(10.0, requires_grad=True)
    optimizer = torch.optim.SGD([weight, scale], lr=lr, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        cosines = torch.cosine_similarity(given[:, None], weight[None], dim=2)
        F.cross_entropy(scale * cosines, targets).backward()
        optimizer.step()
    other = penultimate_features(backbone, query.images)
    return torch.cosine_similarity(other[:, None], weight[None], dim=2).argmax(dim=1)


def test_before_the_first_step_it_is_the_nearest_mean_by_cosine():
    config = kv.FinetuneConfig(steps=0)
    methods = [kv.Candidate(None, config, name) for name in ("cosine_head", "nearest_mean")]
    rows = kv.evaluate(toy_backbone(), DATA, EPISODES, methods)
    ours, means = (rows[rows["method"] == one.name] for one in methods)
    assert ours["predicted"].tolist() == means["predicted"].tolist()


def test_it_is_what_training_on_features_gives():
    for episode in EPISODES:
        support, query = episode.split(DATA)
        result = kv.finetune(toy_backbone(), support, method="cosine_head", config=CONFIG)
        expected = by_hand(toy_backbone(), support, query, 0.1, 12)
        np.testing.assert_array_equal(result.predict(query.images), result.classes[expected])


def test_the_loss_is_that_of_the_whole_network():
    support, _ = EPISODES[0].split(DATA)
    result = kv.finetune(toy_backbone(), support, method="cosine_head", config=CONFIG)
    logits = result.logits(support.images)
    loss = F.cross_entropy(logits, torch.tensor(support.targets)).item()
    assert loss == pytest.approx(result.losses[-1], rel=1e-6)
    assert result.losses[-1] < result.losses[0]


def test_only_the_head_moves():
    support, _ = EPISODES[0].split(DATA)
    backbone = toy_backbone()
    tuned = kv.finetune(backbone, support, method="cosine_head", config=CONFIG).backbone.module
    assert tuned.head.linear.scale.item() != 10.0
    body = dict(backbone.module.state_dict())
    for name, value in tuned.state_dict().items():
        assert name.startswith("head.") or torch.equal(value, body[name])


def test_lengths_do_not_matter():
    support, query = EPISODES[0].split(DATA)
    result = kv.finetune(toy_backbone(), support, method="cosine_head", config=CONFIG)
    linear = result.backbone.module.head.linear
    before = result.logits(query.images)
    with torch.no_grad():
        linear.weight.mul_(4.0)
    torch.testing.assert_close(result.logits(query.images), before)


def test_a_scale_is_above_zero():
    with pytest.raises(kv.KShotError, match="scale"):
        CosineHead(scale=0.0)


@pytest.mark.slow
def test_it_agrees_on_digits():
    ours, theirs = accuracies(CANDIDATE, by_hand)
    assert ours == pytest.approx(theirs, abs=1), f"{ours:.2f} and {theirs:.2f}"

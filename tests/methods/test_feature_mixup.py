"""A head trained on mixed-up features, beside mixup with draws of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import accuracies, same_rows
from networks import toy_backbone, toy_data
from torch.nn import functional as F

import kshot_viz as kv
from kshot_viz.methods.hooks import Batch
from kshot_viz.methods.rivals.feature_mixup import FeatureMixup
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.seeds import numpy_rng

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=6, n=2, seed=0)
CONFIG = kv.FinetuneConfig(head_lr=0.1, steps=12)
CANDIDATE = kv.Candidate(None, kv.FinetuneConfig(head_lr=0.01, steps=40), "feature_mixup")


def by_hand(backbone, support, query):
    """Train a linear layer on mixtures, with targets mixed as probabilities."""
    rng = np.random.default_rng(5)
    features = penultimate_features(backbone, support.images)
    targets = F.one_hot(torch.tensor(support.targets)).float()
    linear = torch.nn.Linear(features.shape[1], targets.shape[1])
    torch.nn.init.zeros_(linear.weight)
    torch.nn.init.zeros_(linear.bias)
    optimizer = torch.optim.SGD(linear.parameters(), lr=0.01, momentum=0.9)
    for _ in range(40):
        share, order = rng.beta(1.0, 1.0), rng.permutation(len(targets))
        mixed = share * features + (1 - share) * features[order]
        optimizer.zero_grad()
        soft = share * targets + (1 - share) * targets[order]
        F.cross_entropy(linear(mixed), soft).backward()
        optimizer.step()
    with torch.no_grad():
        return linear(penultimate_features(backbone, query.images)).argmax(dim=1)


def test_without_mixing_it_is_head_only_bit_for_bit():
    candidates = [kv.Candidate(None, CONFIG, one) for one in (FeatureMixup(alpha=0.0), "head_only")]
    rows = kv.evaluate(toy_backbone(), DATA, EPISODES, candidates, path="loop")
    assert same_rows(rows, "feature_mixup", "head_only")


def test_draws_belong_to_the_seed_of_a_run():
    support, query = EPISODES[0].split(DATA)
    first, again, other = (
        kv.finetune(toy_backbone(), support, method="feature_mixup", config=CONFIG, seed=seed)
        for seed in (0, 0, 1)
    )
    assert first.losses == again.losses
    assert torch.equal(first.logits(query.images), again.logits(query.images))
    assert first.losses[1:] != other.losses[1:]


def test_the_accuracy_is_that_of_the_images():
    support, _ = EPISODES[0].split(DATA)
    result = kv.finetune(toy_backbone(), support, method="feature_mixup", config=CONFIG)
    assert result.accuracies[-1] == result.score(support.images, support.labels)


def test_the_loss_is_that_of_mixed_targets():
    """Mixing the losses of two targets is the same as mixing the targets."""
    support, _ = EPISODES[0].split(DATA)
    method = FeatureMixup(alpha=0.7)
    result = kv.finetune(toy_backbone(), support, method=method, config=CONFIG)
    network, targets = result.backbone, torch.tensor(support.targets)
    linear = network.module.head.linear
    losses = []
    for seed in range(20):
        batch = Batch(network, network.prepare(support.images), targets, seed=seed)
        losses.append(method.loss(network, batch).item())
        rng = numpy_rng(seed, "mixup")
        share, order = rng.beta(0.7, 0.7), rng.permutation(len(targets))
        features, soft = penultimate_features(toy_backbone(), support.images), F.one_hot(targets)
        mixed = share * features + (1 - share) * features[order]
        expected = F.cross_entropy(linear(mixed), share * soft + (1 - share) * soft[order])
        assert losses[-1] == pytest.approx(expected.item(), rel=1e-5)
    assert len(set(losses)) == 20


def test_alpha_is_not_negative():
    with pytest.raises(kv.KShotError, match="alpha"):
        FeatureMixup(alpha=-1.0)


@pytest.mark.slow
def test_it_agrees_on_digits():
    ours, theirs = accuracies(CANDIDATE, by_hand)
    assert ours == pytest.approx(theirs, abs=1), f"{ours:.2f} and {theirs:.2f}"

"""Logistic regression on frozen features, beside the same objective minimised by torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import accuracies, minimised
from networks import toy_backbone, toy_data
from torch.nn import functional as F

import kshot_viz as kv
from kshot_viz.methods.rivals.logistic import Logistic
from kshot_viz.models.logistic import fit_logistic
from kshot_viz.models.nearest_mean import penultimate_features

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=3, query=6, n=3, seed=0)


def best_penalty(x, y, penalties, folds):
    """Return the penalty with the best log-likelihood of folds, the largest of equal ones."""
    rank = torch.tensor([int((y[:i] == y[i]).sum()) for i in range(len(y))])
    losses = {}
    for penalty in sorted(penalties, reverse=True):
        held = []
        for fold in range(folds):
            out = rank % folds == fold
            weight, bias = minimised(x[~out], y[~out], penalty)
            held.append(F.cross_entropy(x[out] @ weight.T + bias, y[out]))
        losses[penalty] = float(torch.stack(held).mean())
    return min(losses, key=losses.get)


def by_hand(backbone, support, query, penalties=()):
    x, y = penultimate_features(backbone, support.images).double(), torch.tensor(support.targets)
    folds = int(y.bincount().min())
    penalty = best_penalty(x, y, penalties, folds) if penalties and folds > 1 else 1.0
    other = penultimate_features(backbone, query.images).double()
    weight, bias = minimised(x, y, penalty)
    return (other @ weight.T + bias).argmax(dim=1)


@pytest.mark.parametrize("way", [2, 3])
def test_the_head_minimises_the_penalised_loss(way):
    rng = torch.Generator().manual_seed(way)
    x, y = torch.randn(12, 5, generator=rng).double(), torch.arange(12) % way
    weight, bias = fit_logistic(x, y, penalty=0.7)
    mean, std = x.mean(dim=0), x.std(dim=0, correction=0)
    w = (weight * std).requires_grad_()
    b = (bias + weight @ mean).requires_grad_()
    logits = (x - mean) / std @ w.T + b
    loss = F.cross_entropy(logits, y, reduction="sum") + 0.7 / 2 * w.square().sum()
    gradients = torch.autograd.grad(loss, [w, b])
    assert max(float(one.abs().max()) for one in gradients) < 2e-3


def test_penalties_are_chosen_where_images_can_be_held_out():
    for episode in EPISODES:
        support, query = episode.split(DATA)
        result = kv.finetune(toy_backbone(), support, method="logistic")
        expected = by_hand(toy_backbone(), support, query, Logistic.penalties)
        np.testing.assert_array_equal(result.predict(query.images), result.classes[expected])
    single = support.take([0, 3, 6, 9])
    chosen, fixed = (
        kv.finetune(toy_backbone(), single, method=Logistic(penalties=one)).logits(query.images)
        for one in ((0.01, 100.0), ())
    )
    assert torch.equal(chosen, fixed)


def test_features_that_only_rounding_tells_apart_have_no_weight():
    x = torch.tensor([[1.0, 2.0], [1.0 + 1e-7, 3.0], [1.0, 5.0], [1.0 + 1e-7, 7.0]])
    weight, _ = fit_logistic(x, torch.tensor([0, 0, 1, 1]), penalty=1.0)
    assert bool((weight[:, 0] == 0).all())
    assert bool((weight[:, 1] != 0).all())


def test_features_that_overflow_are_a_row():
    backbone = toy_backbone()
    with torch.no_grad():
        backbone.module.deep.weight.mul_(1e30)
        backbone.module.conv.weight.mul_(1e30)
    rows = kv.evaluate(backbone, DATA, EPISODES[:1], [kv.Candidate(method="logistic")])
    assert list(rows["status"]) == ["diverged at step 0"]


@pytest.mark.parametrize("options", [{"penalty": 0.0}, {"penalties": (1.0, -1.0)}])
def test_a_penalty_is_above_zero(options):
    with pytest.raises(kv.KShotError, match="penalty"):
        Logistic(**options)


@pytest.mark.slow
def test_it_agrees_on_digits():
    ours, theirs = accuracies(kv.Candidate(method="logistic"), by_hand)
    assert ours == pytest.approx(theirs, abs=1), f"{ours:.2f} and {theirs:.2f}"

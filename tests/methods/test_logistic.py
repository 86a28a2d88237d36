"""Logistic regression on frozen features, beside the same objective minimised by torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import accuracies, regression
from networks import toy_backbone, toy_data
from torch.nn import functional as F

import kshot_viz as kv
from kshot_viz.methods.rivals.logistic import Logistic, fit_directions
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
            weight, _ = regression(x[~out], y[~out], penalty, intercept=False)
            held.append(F.cross_entropy(x[out] @ weight.T, y[out]))
        losses[penalty] = float(torch.stack(held).mean())
    return min(losses, key=losses.get)


def by_hand(backbone, support, query, penalties=()):
    y = torch.tensor(support.targets)
    x, other = (
        F.normalize(penultimate_features(backbone, one.images).double(), dim=1)
        for one in (support, query)
    )
    folds = int(y.bincount().min())
    penalty = best_penalty(x, y, penalties, folds) if penalties and folds > 1 else 0.1
    weight, _ = regression(x, y, penalty, intercept=False)
    return (other @ weight.T).argmax(dim=1)


@pytest.mark.parametrize("way", [2, 3])
def test_the_head_minimises_the_penalised_loss(way):
    x, y = drawn(way)
    weight, bias = fit_logistic(x, y, penalty=0.7)
    mean, std = x.mean(dim=0), x.std(dim=0, correction=0)
    w = (weight * std).requires_grad_()
    b = (bias + weight @ mean).requires_grad_()
    loss = penalised((x - mean) / std @ w.T + b, y, w)
    gradients = torch.autograd.grad(loss, [w, b])
    assert max(float(one.abs().max()) for one in gradients) < 2e-3


@pytest.mark.parametrize("way", [2, 3])
def test_on_directions_it_is_the_same_loss_without_intercept(way):
    x, y = drawn(way)
    x = x * torch.linspace(1, 50, len(x)).double()[:, None]
    length = x.norm(dim=1)
    w = (fit_directions(x, y, penalty=0.7) * length.mean()).requires_grad_()
    loss = penalised(x / length[:, None] @ w.T, y, w)
    (gradient,) = torch.autograd.grad(loss, [w])
    assert float(gradient.abs().max()) < 2e-3


def test_features_without_length_or_of_half_precision_are_finite():
    y = torch.tensor([0, 1, 1])
    assert bool(torch.isfinite(fit_directions(torch.zeros(3, 4), y, penalty=1.0)).all())
    large = 6e4 * torch.eye(2, dtype=torch.float16)[y]
    weight = fit_directions(large, y, penalty=1.0)
    assert weight.dtype == torch.float16
    assert bool(torch.isfinite(weight).all())
    assert torch.equal((large.double() @ weight.double().T).argmax(dim=1), y)


def drawn(way):
    """Return twelve images' features, (12, 5), and their classes."""
    rng = torch.Generator().manual_seed(way)
    return torch.randn(12, 5, generator=rng).double(), torch.arange(12) % way


def penalised(logits, y, w):
    return F.cross_entropy(logits, y, reduction="sum") + 0.7 / 2 * w.square().sum()


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

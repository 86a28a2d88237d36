"""Decay towards the start, beside a penalty that torch differentiates."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from by_hand import accuracies, same_rows, trained_by_hand
from networks import toy_backbone, toy_data
from torch.nn import functional as F

import kshot_viz as kv
from kshot_viz.methods.rivals.l2sp import L2SP

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=6, n=2, seed=0)
CONFIG = kv.FinetuneConfig(lr=0.02, head_lr=0.1, steps=8)
TRAINED = kv.FinetuneConfig(lr=0.001, head_lr=0.03, steps=20)
CANDIDATE = kv.Candidate(None, TRAINED, L2SP(penalty=0.3))


def by_hand(backbone, support, query, config=TRAINED, penalty=0.3):
    def loss(module, inputs, targets, starts):
        named = module.named_parameters()
        distance = sum((one - starts[name]).square().sum() for name, one in named)
        return F.cross_entropy(module(inputs), targets) + penalty / 2 * distance

    return trained_by_hand(backbone, support, query, config, loss)


@pytest.mark.parametrize("path", ["loop", "fast"])
def test_without_a_penalty_it_is_plain_bit_for_bit(path):
    methods = [L2SP(penalty=0.0), "plain"]
    candidates = [kv.Candidate(None, CONFIG, one) for one in methods]
    rows = kv.evaluate(toy_backbone(), DATA, EPISODES, candidates, path=path)
    assert same_rows(rows, "l2sp", "plain")


def test_the_penalty_is_the_pull_towards_the_start():
    candidate = kv.Candidate(None, CONFIG, L2SP(penalty=0.5))
    assert candidate.config.weight_decay == 0.5
    assert candidate.at(penalty=2.0).config.weight_decay == 2.0
    assert candidate.at(weight_decay=9.0).config.weight_decay == 0.5
    again = kv.Candidate.from_dict(candidate.to_dict())
    assert again.key == candidate.key
    support, _ = EPISODES[0].split(DATA)
    result = kv.finetune(toy_backbone(), support, method="l2sp", config=CONFIG)
    assert result.config.weight_decay == L2SP.penalty


def test_a_larger_penalty_ends_nearer_to_the_start():
    support, _ = EPISODES[0].split(DATA)
    backbone = toy_backbone()
    start = dict(backbone.module.named_parameters())

    def distance(penalty):
        tuned = kv.finetune(backbone, support, method=L2SP(penalty=penalty), config=CONFIG)
        named = dict(tuned.backbone.module.named_parameters())
        body = [(named[n] - start[n]).detach() for n in start if not n.startswith("head.")]
        return float(sum(one.square().sum() for one in body))

    assert distance(0.0) > distance(0.5) > distance(3.0) > 0


def test_it_is_what_the_penalised_loss_gives():
    backbone = toy_backbone(dtype=torch.float64)
    support, query = EPISODES[0].split(DATA)
    result = kv.finetune(backbone, support, method=L2SP(penalty=0.5), config=CONFIG)
    expected = by_hand(backbone, support, query, CONFIG, 0.5)
    np.testing.assert_array_equal(result.predict(query.images), result.classes[expected])


def test_a_comparison_tunes_the_penalty():
    grid = kv.TuningGrid(lrs=(0.01,), head_lrs=(0.1,), steps=(2, 4), extend=0)
    tried = [one.config.weight_decay for one in grid.candidates(kv.Candidate(method="l2sp"))]
    assert tried == [0.01, 0.1, 1.0]
    data = {"methods": ["l2sp"], "grid": grid, "n_val": 2}
    table = kv.compare_methods(toy_backbone(), DATA, EPISODES, **data)
    assert json.loads(table.settings["tuned"][0])["penalty"] in tried


def test_a_penalty_is_not_negative():
    with pytest.raises(kv.KShotError, match="penalty"):
        L2SP(penalty=-1.0)


@pytest.mark.slow
def test_it_agrees_on_digits():
    ours, theirs = accuracies(CANDIDATE, by_hand)
    assert ours == pytest.approx(theirs, abs=1), f"{ours:.2f} and {theirs:.2f}"

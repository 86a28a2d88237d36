"""The head first, then everything, beside two runs of torch's own SGD."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import accuracies, cross_entropy, same_rows, trained_by_hand
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.methods.rivals.lp_ft import LpFt

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=6, n=2, seed=0)
CONFIG = kv.FinetuneConfig(lr=0.02, head_lr=0.1, steps=8)
TRAINED = kv.FinetuneConfig(lr=0.001, head_lr=0.1, steps=20)
CANDIDATE = kv.Candidate(None, TRAINED, "lp_ft")


def by_hand(backbone, support, query, config=TRAINED, head_steps=10):
    def sizes(name, step):
        if name.startswith("head."):
            return config.head_lr
        return 0.0 if step < head_steps else config.lr

    return trained_by_hand(backbone, support, query, config, cross_entropy, sizes)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize(("share", "other"), [(0.0, "plain"), (1.0, "head_only")])
def test_its_ends_are_plain_and_head_only_bit_for_bit(share, other, optimizer):
    config = CONFIG.but(optimizer=optimizer, weight_decay=0.1)
    candidates = [kv.Candidate(None, config, one) for one in (LpFt(share=share), other)]
    rows = kv.evaluate(toy_backbone(), DATA, EPISODES, candidates, path="loop")
    assert same_rows(rows, "lp_ft", other)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_body_begins_without_momentum(optimizer):
    support, _ = EPISODES[0].split(DATA)
    config = CONFIG.but(optimizer=optimizer)
    backbone = toy_backbone(dtype=torch.float64)
    head = kv.finetune(backbone, support, method="head_only", config=config.but(steps=7))
    linear = head.backbone.module.head.linear
    start = kv.HeadInit("weights", linear.weight.tolist(), linear.bias.tolist())
    last = kv.Candidate(method="plain").at(head=start).method
    one_more = kv.finetune(backbone, support, method=last, config=config.but(steps=1))
    ours = kv.finetune(backbone, support, method=LpFt(share=7 / 8), config=config)
    moved = dict(one_more.backbone.module.named_parameters())
    for name, value in ours.backbone.module.named_parameters():
        if not name.startswith("head."):
            torch.testing.assert_close(value, moved[name], rtol=0, atol=1e-9)


def test_it_is_what_two_runs_give():
    backbone = toy_backbone(dtype=torch.float64)
    support, query = EPISODES[0].split(DATA)
    result = kv.finetune(backbone, support, method="lp_ft", config=CONFIG)
    expected = by_hand(backbone, support, query, CONFIG, 4)
    np.testing.assert_array_equal(result.predict(query.images), result.classes[expected])


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_from_0_to_1(share):
    with pytest.raises(kv.KShotError, match="share"):
        LpFt(share=share)


@pytest.mark.slow
def test_it_agrees_on_digits():
    ours, theirs = accuracies(CANDIDATE, by_hand)
    assert ours == pytest.approx(theirs, abs=1), f"{ours:.2f} and {theirs:.2f}"

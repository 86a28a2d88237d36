"""Gradual unfreezing, beside torch's own SGD with a written-out schedule."""

from __future__ import annotations

import pytest
from by_hand import accuracies, cross_entropy, same_rows, trained_by_hand
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.methods.hooks import Step
from kshot_viz.methods.rivals.gradual import Gradual

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=6, n=2, seed=0)
CONFIG = kv.FinetuneConfig(lr=0.02, head_lr=0.1, steps=8)
TRAINED = kv.FinetuneConfig(lr=0.001, head_lr=0.1, steps=20)
CANDIDATE = kv.Candidate(None, TRAINED, "gradual")
# The first step of each block of the bundled network: half of 20 steps in five equal parts.
FIRST = {"blocks.3": 2, "blocks.2": 4, "blocks.1": 6, "blocks.0": 8}


def by_hand(backbone, support, query):
    def sizes(name, step):
        if name.startswith("head."):
            return 0.1
        return 0.001 if step >= FIRST[name[: len("blocks.0")]] else 0.0

    return trained_by_hand(backbone, support, query, TRAINED, cross_entropy, sizes)


@pytest.mark.parametrize(("share", "total"), [(1.0, 6), (0.5, 12)])
def test_blocks_join_in_from_the_last_to_the_first(share, total):
    network = toy_backbone().with_new_head(3)
    names = [name for name, _ in network.module.named_parameters()]
    joined = []
    for number in range(total):
        step = Step(number, total, dict.fromkeys(names, 0.1))
        Gradual(share=share).schedule(network, step)
        joined.append({name.split(".")[0] for name, size in step.lr.items() if size})
    parts = [{"head"}, {"head", "deep"}, {"head", "deep", "conv", "norm"}]
    assert joined[:6] == [one for one in parts for _ in range(2)]
    assert all(one == parts[-1] for one in joined[6:])


def test_without_a_share_it_is_plain_bit_for_bit():
    candidates = [kv.Candidate(None, CONFIG, one) for one in (Gradual(share=0.0), "plain")]
    rows = kv.evaluate(toy_backbone(), DATA, EPISODES, candidates, path="loop")
    assert same_rows(rows, "gradual", "plain")


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_from_0_to_1(share):
    with pytest.raises(kv.KShotError, match="share"):
        Gradual(share=share)


@pytest.mark.slow
def test_it_agrees_on_digits():
    ours, theirs = accuracies(CANDIDATE, by_hand)
    assert ours == pytest.approx(theirs, abs=1), f"{ours:.2f} and {theirs:.2f}"

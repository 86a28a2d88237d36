"""Step sizes that shrink with depth, beside torch's own SGD and multipliers given by hand."""

from __future__ import annotations

import pytest
import torch
from by_hand import accuracies, cross_entropy, same_rows, trained_by_hand
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.methods.rivals.layerwise import Layerwise

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=6, n=2, seed=0)
CONFIG = kv.FinetuneConfig(lr=0.02, head_lr=0.1, steps=8)
TRAINED = kv.FinetuneConfig(lr=0.003, head_lr=0.03, steps=20)
CANDIDATE = kv.Candidate(None, TRAINED, Layerwise(decay=0.5))
# Of the blocks of the bundled network.
SIZES = {"blocks.3": 0.003, "blocks.2": 0.0015, "blocks.1": 0.00075, "blocks.0": 0.000375}


def by_hand(backbone, support, query):
    def sizes(name, step):
        return 0.03 if name.startswith("head.") else SIZES[name[: len("blocks.0")]]

    return trained_by_hand(backbone, support, query, TRAINED, cross_entropy, sizes)


@pytest.mark.parametrize("path", ["loop", "fast"])
def test_without_decay_it_is_plain_bit_for_bit(path):
    candidates = [kv.Candidate(None, CONFIG, one) for one in (Layerwise(decay=1.0), "plain")]
    rows = kv.evaluate(toy_backbone(), DATA, EPISODES, candidates, path=path)
    assert same_rows(rows, "layerwise", "plain")


@pytest.mark.parametrize("path", ["loop", "fast"])
def test_it_is_plain_with_multipliers(path):
    # The batch norm is tied to the first convolution.
    given = CONFIG.but(layer_lr={"deep": 0.5, "conv": 0.25})
    candidates = [
        kv.Candidate(None, CONFIG.but(layer_lr={"deep": 0.5, "conv": 0.5}), Layerwise(decay=0.5)),
        kv.Candidate(None, given, "plain"),
    ]
    rows = kv.evaluate(toy_backbone(), DATA, EPISODES, candidates, path=path)
    assert same_rows(rows, "layerwise", "plain")


def test_several_decays_are_trained_side_by_side_as_alone():
    candidates = [kv.Candidate(None, CONFIG, Layerwise(decay=one)) for one in (0.4, 0.65, 0.85)]
    backbone = toy_backbone(dtype=torch.float64)
    fast, loop = (
        kv.evaluate(backbone, DATA, EPISODES, candidates, path=path) for path in ("fast", "loop")
    )
    assert fast["support_loss"].to_numpy() == pytest.approx(loop["support_loss"], rel=1e-9)
    assert fast["support_loss"].nunique() == len(fast)


@pytest.mark.parametrize("decay", [0.0, -0.1, 1.5])
def test_a_decay_is_above_0_and_up_to_1(decay):
    with pytest.raises(kv.KShotError, match="decay"):
        Layerwise(decay=decay)


@pytest.mark.slow
def test_it_agrees_on_digits():
    ours, theirs = accuracies(CANDIDATE, by_hand)
    assert ours == pytest.approx(theirs, abs=1), f"{ours:.2f} and {theirs:.2f}"

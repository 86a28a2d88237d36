"""One block that trains, chosen by gradients, beside the same choice written out."""

from __future__ import annotations

import pytest
import torch
from by_hand import accuracies, cross_entropy, minimised, same_rows, trained_by_hand
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.methods.rivals.surgical import relative_gradients
from kshot_viz.models.inputs.support import prepare_support
from kshot_viz.models.nearest_mean import penultimate_features

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=6, n=4, seed=0)
CONFIG = kv.FinetuneConfig(lr=0.02, head_lr=0.1, steps=8)
TRAINED = kv.FinetuneConfig(lr=0.003, head_lr=0.03, steps=20)
CANDIDATE = kv.Candidate(None, TRAINED, "surgical")


def ratios(backbone, support, blocks):
    """Return gradient norm over weight norm of blocks, given by the beginnings of names."""
    network = backbone.with_new_head(int(support.targets.max()) + 1)
    x, y = penultimate_features(backbone, support.images).double(), torch.tensor(support.targets)
    linear = network.module.get_submodule(network.head_name).linear
    with torch.no_grad():
        for parameter, values in zip(linear.parameters(), minimised(x, y, 1.0), strict=True):
            parameter.copy_(values)
    module = network.module.requires_grad_()
    torch.nn.functional.cross_entropy(module(network.prepare(support.images)), y).backward()
    found = {}
    for block, starts in blocks.items():
        own = [one for name, one in module.named_parameters() if name.startswith(starts)]
        gradient = torch.cat([one.grad.flatten() for one in own]).norm()
        weights = torch.cat([one.detach().flatten() for one in own]).norm()
        found[block] = float(gradient / weights)
    return found


def by_hand(backbone, support, query):
    found = ratios(backbone, support, {f"blocks.{i}": f"blocks.{i}." for i in range(4)})
    chosen = max(found, key=found.get)

    def sizes(name, step):
        if name.startswith("head."):
            return 0.03
        return 0.003 if name.startswith(chosen) else 0.0

    return trained_by_hand(backbone, support, query, TRAINED, cross_entropy, sizes)


def moved(backbone, result):
    before = dict(backbone.module.named_parameters())
    after = dict(result.backbone.module.named_parameters())
    return {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}


@pytest.mark.parametrize(("size", "block"), [(1.0, {"deep"}), (30.0, {"conv", "norm"})])
def test_one_block_and_the_head_move(size, block):
    """A longer weight before the same function of it has a smaller gradient."""
    backbone = toy_backbone()
    with torch.no_grad():
        backbone.module.deep.weight.mul_(size)
        backbone.module.deep.bias.mul_(size)
    for episode in EPISODES:
        support, _ = episode.split(DATA)
        found = ratios(backbone, support, {"conv": ("conv", "norm"), "deep": "deep"})
        assert max(found, key=found.get) in block
        start = backbone.with_new_head(4)
        result = kv.finetune(backbone, support, method="surgical", config=CONFIG)
        assert moved(start, result) == block | {"head"}


def test_ratios_are_gradients_over_weights():
    support, _ = EPISODES[0].split(DATA)
    backbone = toy_backbone(dtype=torch.float64)
    network = backbone.with_new_head(4)
    before = {name: one.clone() for name, one in network.module.state_dict().items()}
    names = {name for name in before if not name.startswith("head.")}
    found = relative_gradients(network, prepare_support(backbone, support), names)
    expected = ratios(backbone, support, {"conv": ("conv", "norm"), "deep": "deep"})
    assert found == pytest.approx(expected, rel=1e-3)
    assert all(torch.equal(one, before[name]) for name, one in network.module.state_dict().items())


def test_it_is_plain_with_all_other_blocks_frozen():
    backbone = toy_backbone()
    network = backbone.with_new_head(4)
    names = {name for name, _ in network.module.named_parameters()}
    support, _ = EPISODES[0].split(DATA)
    found = relative_gradients(network, prepare_support(backbone, support), names)
    frozen = CONFIG.but(layer_lr={min(found, key=found.get): 0.0})
    candidates = [kv.Candidate(None, CONFIG, "surgical"), kv.Candidate(None, frozen, "plain")]
    rows = kv.evaluate(backbone, DATA, EPISODES[:1], candidates, path="loop")
    assert same_rows(rows, "surgical", "plain")


@pytest.mark.parametrize("frozen", [{"conv": 0.0}, {"deep": 0.0}, {"conv": 0.0, "deep": 0.0}])
def test_it_chooses_among_blocks_that_settings_let_move(frozen):
    config = CONFIG.but(layer_lr=frozen)
    candidates = [kv.Candidate(None, config, name) for name in ("surgical", "plain")]
    rows = kv.evaluate(toy_backbone(), DATA, EPISODES[:1], candidates, path="loop")
    assert same_rows(rows, "surgical", "plain")


def test_the_head_starts_where_it_would():
    support, query = EPISODES[0].split(DATA)
    result = kv.finetune(toy_backbone(), support, method="surgical", config=CONFIG.but(steps=0))
    assert not result.logits(query.images).any()


@pytest.mark.slow
def test_it_agrees_on_digits():
    ours, theirs = accuracies(CANDIDATE, by_hand)
    assert ours == pytest.approx(theirs, abs=1), f"{ours:.2f} and {theirs:.2f}"

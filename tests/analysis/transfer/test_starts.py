"""Starts are networks made from another one: what is kept is kept, what is drawn is drawn."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from networks import toy_backbone, toy_data
from torch import nn

from kshot_viz.analysis.alignment.labelled import untrained
from kshot_viz.analysis.transfer.starts import hybrid_start, mean_variance_start, random_start
from kshot_viz.errors import KShotKeyError
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.loading.load_backbone import load_backbone
from kshot_viz.models.modes import evaluating
from kshot_viz.seeds import torch_rng


def state(backbone):
    return {k: v for k, v in backbone.module.state_dict().items() if not k.startswith("head.")}


def same(one, other):
    a, b = state(one), state(other)
    return all(torch.equal(a[name], b[name]) for name in a)


def test_a_cut_after_the_last_layer_keeps_everything():
    given = toy_backbone()
    assert same(hybrid_start(given, "deep", seed=3, images=toy_data()), given)


def test_a_cut_before_the_first_layer_is_random():
    given = toy_backbone()
    random = random_start(given, seed=3, images=toy_data())
    assert same(hybrid_start(given, None, seed=3, images=toy_data()), random)
    before, after = state(given), state(random)
    assert not any(
        torch.equal(before[name], after[name]) for name in ("conv.weight", "deep.weight")
    )


def test_a_hybrid_is_the_source_below_the_cut_and_random_above_it():
    given, random = toy_backbone(), random_start(toy_backbone(), seed=3)
    found, below, above = map(state, (hybrid_start(given, "conv", seed=3), given, random))
    for name in found:
        part = above if name.startswith("deep") else below
        assert torch.equal(found[name], part[name]), name
    assert found["norm.running_mean"].abs().sum() > 0


def test_the_given_network_is_not_touched_nor_the_random_state_of_the_caller():
    given = toy_backbone()
    before, fingerprint = torch.get_rng_state(), given.fingerprint
    for start in (random_start, mean_variance_start):
        start(given, seed=1, images=toy_data())
    assert given.fingerprint == fingerprint
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(module.training for module in given.module.modules())


@pytest.mark.parametrize("start", [random_start, mean_variance_start])
def test_the_seed_decides_the_weights(start):
    given = toy_backbone()
    assert same(start(given, seed=5), start(given, seed=5))
    assert not same(start(given, seed=5), start(given, seed=6))


@pytest.mark.parametrize("seed", range(5))
def test_mean_and_variance_of_every_tensor_are_kept(seed):
    given = toy_backbone(width=8)
    found = mean_variance_start(given, seed=seed)
    for (name, one), (_, other) in zip(
        given.module.named_parameters(), found.module.named_parameters(), strict=True
    ):
        if name.startswith("head."):
            continue
        assert torch.isclose(one.mean(), other.mean(), atol=1e-5), name
        variances = one.var(correction=0), other.var(correction=0)
        assert torch.isclose(*variances, atol=1e-5, rtol=1e-5), name
    assert not torch.equal(given.module.conv.weight, found.module.conv.weight)


def test_batch_norms_take_their_statistics_from_the_images():
    data = toy_data()
    found = random_start(toy_backbone(), seed=0, images=data)
    with torch.no_grad(), evaluating(found.module):
        out = found.module.conv(found.prepare(data))
    norm = found.module.norm
    assert torch.allclose(norm.running_mean, out.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(norm.running_var, out.var(dim=(0, 2, 3)), rtol=1e-4)
    assert norm.momentum == 0.1
    # Without images they are as torch makes them.
    plain = random_start(toy_backbone(), seed=0).module.norm
    assert plain.running_mean.abs().sum() == 0
    assert torch.equal(plain.running_var, torch.ones(6))


def test_a_layer_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(KShotKeyError, match=r"'conv', 'deep'.*Did you mean 'deep'"):
        hybrid_start(toy_backbone(), "deeper")


def test_notes_say_what_the_weights_are():
    given = toy_backbone()
    assert random_start(given).notes == {"weights": "none: random weights"}
    assert mean_variance_start(given).notes["weights"].startswith("none: random weights of")
    assert hybrid_start(given, "conv").notes["weights"].endswith("up to conv, random above")
    assert hybrid_start(given, "deep").notes == given.notes


class Odd(nn.Module):
    """A parameter of its own, and a layer without batch norm."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.arange(4.0))
        self.conv = nn.Conv2d(1, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.conv(x).mean(dim=(2, 3)) * self.scale)


def odd(scale: float):
    torch.manual_seed(0)
    module = Odd()
    with torch.no_grad():
        for one in module.parameters():
            one.mul_(scale)
    return Backbone(module, head="head", example=torch.rand(2, 1, 8, 8))


def test_random_weights_are_the_same_whatever_the_source_has_learned():
    # Parameters that no module initialises as well.
    for start in (random_start, untrained):
        one, other = start(odd(1.0), seed=3), start(odd(-5.0), seed=3)
        assert same(one, other)
        assert torch.equal(one.module.scale, torch.ones(4))
        assert not same(one, start(odd(1.0), seed=4))


def test_the_bundled_network_has_the_random_weights_of_the_results():
    # Drawn module by module as torch does; docs/results were made with these.
    given = load_backbone("glyphnet")
    found = random_start(given, seed=0)
    for name, module in given.module.named_modules():
        if name == given.head_name or not list(module.parameters(recurse=False)):
            continue
        with torch.random.fork_rng():
            torch.manual_seed(torch_rng(0, "start", name).initial_seed())
            module = deepcopy(module)
            module.reset_parameters()
        for key, value in module.named_parameters():
            assert torch.equal(value, found.module.get_parameter(f"{name}.{key}"))

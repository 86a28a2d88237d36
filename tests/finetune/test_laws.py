"""The laws of fine-tuning with shared gradients, each as a property."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import toy_backbone, toy_data
from torch import nn

from kshot_viz.finetune.loop import finetune
from kshot_viz.finetune.optimizer import average_gradient
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.labels import canonical
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.models.backbone import Backbone

OPTIMIZERS = st.sampled_from(["sgd", "adam", "adamw"])
SEEDS = st.integers(0, 2**16)


@st.composite
def labellings(draw, width):
    return canonical(draw(st.lists(st.integers(0, width - 1), min_size=width, max_size=width)))


@st.composite
def configs(draw, steps=5):
    return FinetuneConfig(
        optimizer=draw(OPTIMIZERS),
        lr=draw(st.sampled_from([1e-3, 1e-2, 1e-1])),
        momentum=draw(st.sampled_from([0.0, 0.9])),
        weight_decay=draw(st.sampled_from([0.0, 1e-2, 0.3])),
        steps=steps,
        head_lr=0.3,
    )


def moved(result, start: Backbone, layer: str) -> dict[str, torch.Tensor]:
    before = start.tied_parameters(layer)
    after = result.backbone.tied_parameters(layer)
    return {name: (after[name] - before[name]).detach() for name in before}


def support(seed=0, classes=3):
    return toy_data(classes, 3, seed=seed)


# -- 1: averaging is a projection ----------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 9), SEEDS)
def test_averaging_twice_changes_nothing_and_group_sums_are_kept(neurons, inputs, seed):
    rng = np.random.default_rng(seed)
    labels = canonical(rng.integers(0, neurons, neurons))
    gradient = torch.from_numpy(rng.normal(size=(neurons, inputs)).astype(np.float32))
    once = average_gradient(gradient, labels)
    torch.testing.assert_close(average_gradient(once, labels), once, rtol=1e-6, atol=1e-6)
    for group in range(labels.max() + 1):
        inside = labels == group
        torch.testing.assert_close(
            once[inside].sum(0), gradient[inside].sum(0), rtol=1e-5, atol=1e-5
        )


# -- 2: one neuron per group is plain fine-tuning ------------------------------------------------


@given(configs(), SEEDS)
def test_singletons_are_plain_bit_for_bit(config, seed):
    backbone, data = toy_backbone(seed=seed), support(seed)
    plain = finetune(backbone, data, method="plain", config=config)
    single = finetune(
        backbone, data, method="grouped", grouping=Grouping.singletons(backbone), config=config
    )
    assert plain.losses == single.losses
    for name, value in plain.backbone.module.state_dict().items():
        assert torch.equal(value, single.backbone.module.state_dict()[name]), name


@given(configs(), SEEDS)
def test_one_group_moves_all_neurons_by_the_same_vector(config, seed):
    backbone = toy_backbone(seed=seed, dtype=torch.float64)
    result = finetune(backbone, support(seed), grouping=Grouping.one_group(backbone), config=config)
    for layer in backbone.layers:
        for change in moved(result, backbone, layer).values():
            assert (change - change[:1]).abs().max() < 1e-12


# -- 3: relabelling and renaming -----------------------------------------------------------------


@given(labellings(6), st.permutations(range(6)), SEEDS)
def test_relabelling_groups_is_exact(labels, names, seed):
    backbone, data = toy_backbone(seed=seed), support(seed)
    first = Grouping({"conv": labels})
    second = Grouping({"conv": np.array(names)[labels]})
    assert first == second
    runs = [
        finetune(backbone, data, grouping=g, config=FinetuneConfig(steps=3))
        for g in (first, second)
    ]
    assert runs[0].losses == runs[1].losses


def test_renaming_classes_is_exact():
    backbone, data = toy_backbone(), support()
    renamed = type(data)(
        data.images, data.targets, ("zebra", "ant", "mole"), "toy", data.digests, data.fingerprint
    )
    config = FinetuneConfig(steps=5, lr=0.01)
    first = finetune(backbone, data, method="plain", config=config)
    second = finetune(backbone, renamed, method="plain", config=config)
    assert first.losses == second.losses
    assert torch.equal(first.logits(data), second.logits(data))


@given(SEEDS)
@pytest.mark.slow
def test_reordering_images_changes_only_rounding(seed):
    backbone, data = toy_backbone(seed=seed, dtype=torch.float64), support(seed)
    order = np.random.default_rng(seed).permutation(len(data))
    config = FinetuneConfig(steps=40, lr=1e-2)
    straight = finetune(backbone, data, method="plain", config=config).logits(data)
    mixed = finetune(backbone, data.take(order), method="plain", config=config).logits(data)
    assert (straight - mixed).abs().max() <= 1e-9 * max(1.0, straight.abs().max().item())


# -- 4: inside a group all updates are equal -----------------------------------------------------


@given(labellings(6), configs(steps=8), SEEDS)
def test_ties_hold_in_float64(labels, config, seed):
    backbone = toy_backbone(seed=seed, dtype=torch.float64)
    result = finetune(backbone, support(seed), grouping=Grouping({"conv": labels}), config=config)
    if result.diverged:
        return
    for name, change in moved(result, backbone, "conv").items():
        scale = max(change.abs().max().item(), 1.0)
        for group in range(labels.max() + 1):
            inside = change[torch.from_numpy(labels == group)]
            assert (inside - inside[:1]).abs().max() < 1e-12 * scale, name
    change = moved(result, backbone, "conv")["conv.weight"].flatten(1)
    singular = torch.linalg.svdvals(change)
    rank = int((singular > 1e-9 * max(singular[0].item(), 1e-3)).sum())
    assert rank <= labels.max() + 1


@given(labellings(6), configs(steps=8), SEEDS)
def test_ties_hold_in_float32(labels, config, seed):
    backbone = toy_backbone(seed=seed)
    result = finetune(backbone, support(seed), grouping=Grouping({"conv": labels}), config=config)
    if result.diverged:
        return
    eps = torch.finfo(torch.float32).eps
    after = result.backbone.tied_parameters("conv")
    for name, change in moved(result, backbone, "conv").items():
        largest = max(after[name].abs().max().item(), change.abs().max().item())
        for group in range(labels.max() + 1):
            inside = change[torch.from_numpy(labels == group)]
            spread = (inside - inside[:1]).abs().max().item()
            # Both members round by half a unit in the last place each step, and once in `change`.
            assert spread <= (config.steps + 1) * eps * largest, name


def test_without_shared_decay_members_would_drift_apart():
    """The check of law 4 can fail: decay that is not shared breaks the ties."""
    backbone = toy_backbone(dtype=torch.float64)
    weight = backbone.tied_parameters("conv")["conv.weight"]
    untied = weight * (1 - 0.01)
    change = (untied - weight).detach()
    assert (change - change[:1]).abs().max() > 1e-4


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("method", ["plain", "grouped", "last_block"])
def test_decay_pulls_towards_the_start(optimizer, method):
    backbone, data = toy_backbone(dtype=torch.float64), support()
    grouping = Grouping.one_group(backbone) if method == "grouped" else None
    config = FinetuneConfig(optimizer=optimizer, lr=0.02, steps=30, momentum=0.0)
    free = finetune(backbone, data, method=method, grouping=grouping, config=config)
    held = finetune(
        backbone, data, method=method, grouping=grouping, config=config.but(weight_decay=3.0)
    )

    def distance(result):
        return sum(d.norm().item() for d in moved(result, backbone, "deep").values())

    assert 0 < distance(held) < distance(free)


@pytest.mark.parametrize("name", ["muon", "lbfgs", "Adafactor"])
def test_an_optimizer_that_mixes_entries_is_refused(name):
    with pytest.raises(KeyError, match="mixes the entries"):
        FinetuneConfig(optimizer=name)


# -- 8: the caller's network is never changed ----------------------------------------------------


@pytest.mark.parametrize("method", ["plain", "grouped", "head_only", "last_block"])
def test_the_callers_network_is_untouched(method):
    backbone, data = toy_backbone(), support()
    before = {name: value.clone() for name, value in backbone.module.state_dict().items()}
    fingerprint = backbone.fingerprint
    grouping = Grouping.one_group(backbone) if method == "grouped" else None
    finetune(backbone, data, method=method, grouping=grouping, config=FinetuneConfig(lr=0.1))
    assert backbone.fingerprint == fingerprint
    assert all(torch.equal(v, before[n]) for n, v in backbone.module.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in backbone.module.parameters())


def test_same_seed_gives_the_same_run():
    class Dropped(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.drop, self.head = nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2)

        def forward(self, x):
            return self.head(self.drop(torch.relu(self.body(x))))

    torch.manual_seed(3)
    backbone = Backbone(Dropped(), head="head", example=torch.rand(2, 4))
    rows = (np.random.default_rng(0).random((6, 4)), [0, 1, 0, 1, 0, 1])
    config = FinetuneConfig(train_mode=True, steps=5)

    def losses(seed):
        return finetune(backbone, rows, method="plain", config=config, seed=seed).losses

    state = torch.random.get_rng_state()
    assert losses(1) == losses(1) != losses(2)
    assert torch.equal(state, torch.random.get_rng_state())


class Twice(nn.Module):
    """Two layers that share one weight; the one registered last runs first."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.b.weight = self.a.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.a(torch.tanh(self.b(x)))))


def test_ties_hold_for_a_weight_under_two_names():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = Backbone(Twice().double(), head="head", example=torch.rand(2, 6).double())
    rows = (np.random.default_rng(0).random((6, 6)), [0, 1] * 3)
    grouping = Grouping.one_group(backbone)
    result = finetune(backbone, rows, grouping=grouping, config=FinetuneConfig(lr=0.1))
    change = (result.backbone.module.a.weight - backbone.module.a.weight).detach()
    assert change.abs().max() > 1e-3
    assert (change - change[:1]).abs().max() < 1e-12


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_decay_is_the_same_pull_for_summed_gradients(optimizer):
    """With many members a summed pull would overshoot and blow up."""
    backbone = toy_backbone(width=48, dtype=torch.float64)
    config = FinetuneConfig(optimizer=optimizer, lr=1e-3, weight_decay=30.0, reduce="sum", steps=60)
    result = finetune(backbone, support(), grouping=Grouping.one_group(backbone), config=config)
    assert not result.diverged
    assert moved(result, backbone, "conv")["conv.weight"].abs().max() < 1.0

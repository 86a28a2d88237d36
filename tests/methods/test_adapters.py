"""Adapters that peft puts in, beside the same written out."""

from __future__ import annotations

import copy
import os
import pickle
import warnings

import pytest
import torch
from by_hand import accuracies, cross_entropy, trained_by_hand
from fast_networks import FAMILY, Task, lively
from networks import toy_backbone, toy_data
from torch import nn
from torch.nn.utils import parametrize

import kshot_viz as kv
from kshot_viz.finetune.loop import start_run
from kshot_viz.methods.rivals import adapters
from kshot_viz.methods.rivals.adapters import IA3, DoRA, LoRA

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=6, n=1, seed=0)
SUPPORT, QUERY = EPISODES[0].split(DATA)
CONFIG = kv.FinetuneConfig(lr=0.05, head_lr=0.1, steps=8)
TRAINED = kv.FinetuneConfig(lr=0.003, head_lr=0.03, steps=20)
METHODS = [LoRA(rank=2, scaling=2.0), DoRA(rank=2), IA3()]


def name_of(method):
    return method.name


def test_without_peft_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(adapters, "find_spec", lambda name: None)
    for method in METHODS:
        assert "kshot-viz[peft]" in method.applies(toy_backbone())
        with pytest.raises(kv.KShotError, match="peft"):
            kv.finetune(toy_backbone(), SUPPORT, method=method, config=CONFIG)


def test_layers_that_take_no_adapter_are_left_out():
    class Grouped(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(2, 4, 3, groups=2), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(torch.relu(self.conv(x)).mean(dim=(2, 3)))

    backbone = lively(Grouped, shape=(2, 8, 8))
    assert LoRA().adapted(backbone) == []
    assert LoRA().adapted(toy_backbone()) == ["conv", "deep"]


@pytest.mark.parametrize("options", [{"rank": 0}, {"scaling": 0}, {"factor_seed": -1}])
def test_options_are_checked(options):
    with pytest.raises(kv.KShotError, match=next(iter(options))):
        LoRA(**options)


# ---- with peft --------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _peft(request):
    names = ("without_peft", "left_out", "checked")
    if not any(one in request.node.name for one in names):
        with adapters._nothing_left_behind():
            pytest.importorskip("peft")


@pytest.mark.parametrize("make", FAMILY.values())
@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_before_the_first_step_it_is_the_start(make, method):
    shape = (10,) if make.__name__ == "Rows" else (1, 8, 8)
    task, backbone = Task.draw(shape), lively(make, shape=shape)
    head = kv.HeadInit("class_means")
    plain = kv.Candidate(method="plain").at(head=head).method
    ours = kv.Candidate(method=method).at(head=head).method
    with torch.no_grad():
        found, start = (
            start_run(backbone, task.support, one, None, CONFIG).backbone.module(task.others)
            for one in (ours, plain)
        )
    torch.testing.assert_close(found, start)


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_only_what_was_added_and_the_head_move(method):
    backbone = toy_backbone()
    result = kv.finetune(backbone, SUPPORT, method=method, config=CONFIG)
    start = dict(backbone.module.named_parameters())
    body = 0
    for name, value in result.backbone.module.named_parameters():
        before = start.get(name.replace("base_layer.", ""))
        if before is not None and not name.startswith("head"):
            assert torch.equal(value, before)
            body += 1
    assert body == 6
    assert result.losses[-1] < result.losses[0]
    head_only = kv.finetune(toy_backbone(), SUPPORT, method="head_only", config=CONFIG)
    assert result.losses[-1] != head_only.losses[-1]


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_a_frozen_body_is_head_only(method):
    frozen = CONFIG.but(layer_lr={"conv": 0, "norm": 0, "deep": 0})
    logits = [
        kv.finetune(toy_backbone(), SUPPORT, method=one, config=config).logits(QUERY.images)
        for one, config in ((method, frozen), (method, CONFIG.but(lr=0)), ("head_only", CONFIG))
    ]
    torch.testing.assert_close(logits[0], logits[2])
    torch.testing.assert_close(logits[1], logits[2])


def test_weights_change_by_the_stated_rank():
    result = kv.finetune(toy_backbone(), SUPPORT, method=LoRA(rank=2), config=CONFIG)
    for name in ("conv", "deep"):
        layer = result.backbone.module.get_submodule(name)
        change = layer.get_delta_weight("adapter").flatten(1).double()
        assert torch.linalg.matrix_rank(change, rtol=1e-5) == 2


def test_multipliers_are_those_of_the_layers():
    config = CONFIG.but(layer_lr={"conv": 0.5, "deep": 0})
    slots = start_run(toy_backbone(), SUPPORT, LoRA(), None, config).slots
    sizes = {slot.name: slot.lr for slot in slots}
    assert sizes["conv.lora_A.adapter.weight"] == 0.025
    assert sizes["head.linear.weight"] == 0.1
    assert not any(name.startswith("deep") for name in sizes)


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_it_is_what_training_by_hand_gives(method):
    ours = kv.finetune(toy_backbone(), SUPPORT, method=method, config=CONFIG)
    expected = by_hand(method)(toy_backbone(), SUPPORT, QUERY, CONFIG)
    assert ours.logits(QUERY.images).argmax(dim=1).tolist() == expected.tolist()


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_nothing_is_left_behind(method):
    backbone = toy_backbone()
    torch.manual_seed(3)
    expected = torch.rand(1)
    before = (dict(os.environ), list(warnings.filters))
    torch.manual_seed(3)
    result = kv.finetune(backbone, SUPPORT, method=method, config=CONFIG)
    assert torch.equal(torch.rand(1), expected)
    assert (dict(os.environ), list(warnings.filters)) == before
    inputs = result.backbone.prepare(QUERY.images)
    for other in (copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))):
        again = other(result.backbone.module)
        assert torch.equal(again(inputs), result.backbone.module(inputs))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_it_agrees_on_digits(method):
    ours, theirs = accuracies(kv.Candidate(None, TRAINED, method), by_hand(method))
    assert ours == pytest.approx(theirs, abs=1), f"{ours:.2f} and {theirs:.2f}"


# ---- plain programs ---------------------------------------------------------------------------


class Product(nn.Module):
    """A weight with a product of two matrices added; DoRA keeps its lengths apart."""

    def __init__(self, weight, down, up, scaling, lengths):
        super().__init__()
        self.down, self.up, self.scaling = nn.Parameter(down), nn.Parameter(up), scaling
        start = weight.detach().flatten(1).norm(dim=1)
        self.lengths = nn.Parameter(start.clone()) if lengths else None

    def forward(self, weight):
        product = (self.up.flatten(1) @ self.down.flatten(1)).reshape(weight.shape)
        whole = weight + self.scaling * product
        if self.lengths is None:
            return whole
        # The length that is divided by passes no gradient on (section 4.3 of the paper).
        ratio = self.lengths / whole.detach().flatten(1).norm(dim=1)
        return whole * ratio.reshape(-1, *[1] * (weight.ndim - 1))


class Factor(nn.Module):
    """An output times a number for each channel."""

    def __init__(self, width):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(width))

    def hook(self, module, args, output):
        return output * self.factor.reshape(-1, *[1] * (output.ndim - 2))


def by_hand(method):
    def program(backbone, support, query, config=TRAINED):
        attached = start_run(backbone, support, method, None, config).backbone.module
        changed = copy.copy(backbone)
        changed.module = copy.deepcopy(backbone.module).requires_grad_(False)
        for name in backbone.layers:
            layer = changed.module.get_submodule(name)
            if isinstance(method, IA3):
                layer.scale = Factor(len(layer.weight))
                layer.register_forward_hook(layer.scale.hook)
                continue
            start = attached.get_submodule(name)
            factors = [
                one["adapter"].weight.detach().clone() for one in (start.lora_A, start.lora_B)
            ]
            part = Product(layer.weight, *factors, method.scaling, isinstance(method, DoRA))
            parametrize.register_parametrization(layer, "weight", part)
        moving = ("down", "up", "lengths", "factor")

        def sizes(name, _):
            if name.startswith("head"):
                return config.head_lr
            return config.lr if name.rpartition(".")[2] in moving else 0.0

        return trained_by_hand(changed, support, query, config, loss, sizes)

    return program


def loss(module, inputs, targets, starts):
    return cross_entropy(module.requires_grad_(), inputs, targets, starts)

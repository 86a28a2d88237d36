"""One weight for all neurons of a group, beside a network whose weights are looked up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import accuracies, same_rows
from fast_networks import FAMILY, Task, lively
from networks import toy_backbone, toy_data
from torch.func import functional_call
from torch.nn import functional as F

import kshot_viz as kv
from kshot_viz.finetune.loop import start_run

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=6, n=2, seed=0)
SUPPORT, QUERY = EPISODES[0].split(DATA)
CONFIG = kv.FinetuneConfig(lr=0.02, head_lr=0.1, steps=8)
TRAINED = kv.FinetuneConfig(lr=0.003, head_lr=0.03, steps=20)
GROUPS = {"conv": [0, 1, 0, 2, 1, 0], "deep": [0, 0, 1, 1, 2, 2, 3, 3]}


def tuned(method="hard_tying", groups=GROUPS, config=CONFIG):
    backbone = toy_backbone()
    grouping = kv.Grouping(groups)
    return kv.finetune(backbone, SUPPORT, method=method, grouping=grouping, config=config)


def test_groups_of_one_are_plain_bit_for_bit():
    alone = kv.Grouping({"conv": range(6), "deep": range(8)})
    candidates = [kv.Candidate(alone, CONFIG, "hard_tying"), kv.Candidate(None, CONFIG, "plain")]
    rows = kv.evaluate(toy_backbone(), DATA, EPISODES, candidates, path="loop")
    assert same_rows(rows, "hard_tying", "plain")


def test_neurons_start_at_the_mean_of_their_group():
    grouping = kv.Grouping(GROUPS)
    backbone = toy_backbone()
    run = start_run(
        backbone, SUPPORT, kv.Candidate(grouping, CONFIG, "hard_tying").method, grouping, CONFIG
    )
    before, after = backbone.module, run.backbone.module
    for old, new, layer in [
        (before.conv.weight, after.conv.weight, "conv"),
        (before.norm.bias, after.norm.bias, "conv"),
        (before.norm.running_var, after.norm.running_var, "conv"),
        (before.deep.bias, after.deep.bias, "deep"),
    ]:
        labels = np.array(GROUPS[layer])
        for label in np.unique(labels):
            mean = old[labels == label].mean(dim=0)
            for neuron in new[labels == label]:
                torch.testing.assert_close(neuron, mean)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("train_mode", [False, True])
def test_neurons_of_a_group_stay_equal(optimizer, train_mode):
    config = CONFIG.but(optimizer=optimizer, train_mode=train_mode, weight_decay=0.1)
    module = tuned(config=config).backbone.module
    start = tuned(config=config.but(steps=0)).backbone.module
    assert not torch.equal(module.conv.weight, start.conv.weight)
    for tensor, layer in [
        (module.conv.weight, "conv"),
        (module.conv.bias, "conv"),
        (module.norm.weight, "conv"),
        (module.deep.weight, "deep"),
    ]:
        labels = np.array(GROUPS[layer])
        for label in np.unique(labels):
            members = tensor[labels == label]
            assert torch.equal(members, members[:1].expand_as(members))


def test_one_neuron_of_a_group_would_do():
    result = tuned()
    seen = {}
    for name in ("norm", "deep"):
        module = result.backbone.module.get_submodule(name)
        module.register_forward_hook(lambda m, a, out, name=name: seen.update({name: out}))
    result.logits(QUERY.images)
    for layer, output in zip(("conv", "deep"), seen.values(), strict=True):
        labels = np.array(GROUPS[layer])
        for label in np.unique(labels):
            members = output[:, labels == label]
            torch.testing.assert_close(members, members[:, :1].expand_as(members))


def test_layers_outside_of_the_grouping_stay_untied():
    module = tuned(groups={"deep": GROUPS["deep"]}).backbone.module
    assert len(torch.unique(module.conv.weight, dim=0)) == 6
    assert len(torch.unique(module.deep.weight, dim=0)) == 4


@pytest.mark.parametrize("name", ["Stack", "Residual", "Rows"])
def test_it_is_the_network_whose_weights_are_looked_up(name):
    shape = (10,) if name == "Rows" else (1, 8, 8)
    backbone, task = lively(FAMILY[name], shape=shape), Task.draw(shape)
    rng = np.random.default_rng(0)
    grouping = kv.Grouping(
        {layer: rng.integers(0, 3, info.width) for layer, info in backbone.layers.items()}
    )
    result = kv.finetune(
        backbone, task.support, method="hard_tying", grouping=grouping, config=CONFIG
    )
    with torch.no_grad():
        found = result.backbone.module(task.others.clone())
    given = (task.support.inputs, task.support.targets)
    torch.testing.assert_close(found, looked_up(backbone, grouping, *given, task.others, CONFIG))


@pytest.mark.slow
def test_it_agrees_on_digits():
    backbone = kv.load_backbone("glyphnet")
    grouping = kv.Grouping(
        {layer: np.arange(info.width) % 20 for layer, info in backbone.layers.items()}
    )

    def program(backbone, support, query):
        given = backbone.prepare(support.images), torch.tensor(support.targets)
        others = backbone.prepare(query.images)
        return looked_up(backbone, grouping, *given, others, TRAINED).argmax(dim=1)

    ours, theirs = accuracies(kv.Candidate(grouping, TRAINED, "hard_tying"), program)
    assert ours == pytest.approx(theirs, abs=1), f"{ours:.2f} and {theirs:.2f}"


def looked_up(backbone, grouping, inputs, targets, others, config):
    """Train one row for each group by torch's SGD; return the logits of other images."""
    network = backbone.with_new_head(int(targets.max()) + 1)
    module, index = network.module, {}
    for layer, labels in grouping.items():
        for name in network.tied_parameters(layer):
            index[name] = torch.tensor(labels.tolist())
        norm = network.layers[layer].norm
        for buffer in () if norm is None else ("running_mean", "running_var"):
            index[f"{norm}.{buffer}"] = torch.tensor(labels.tolist())
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    rows = {name: means(one.detach(), index.get(name)) for name, one in tensors.items()}
    trained = {name: rows[name].requires_grad_() for name, _ in module.named_parameters()}
    head = network.head_parameters()
    optimizer = torch.optim.SGD(
        [
            {"params": [one], "lr": config.head_lr if name in head else config.lr}
            for name, one in trained.items()
        ],
        momentum=config.momentum,
    )

    def logits(given):
        whole = {name: one[index[name]] if name in index else one for name, one in rows.items()}
        return functional_call(module, whole, (given.clone(),))

    for _ in range(config.steps):
        optimizer.zero_grad()
        F.cross_entropy(logits(inputs), targets).backward()
        for name, one in trained.items():
            if name in index:
                sizes = torch.bincount(index[name]).reshape(-1, *[1] * (one.ndim - 1))
                one.grad /= sizes
        optimizer.step()
    with torch.no_grad():
        return logits(others)


def means(tensor, labels):
    if labels is None:
        return tensor.clone()
    return torch.stack([tensor[labels == one].mean(dim=0) for one in range(int(labels.max()) + 1)])

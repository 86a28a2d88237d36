"""Frozen and trained filters, and gates between them for every image."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from by_hand import accuracies, same_rows, trained_by_hand
from fast_networks import FAMILY, Rows, Task, lively
from networks import toy_backbone, toy_data
from torch import nn
from torch.nn import functional as F

import kshot_viz as kv
from kshot_viz.finetune.loop import start_run
from kshot_viz.methods.adafilter.method import AdaFilter
from kshot_viz.methods.adafilter.policy import LearnedGates, unlike
from kshot_viz.methods.adafilter.twins import TWIN, gates_of

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=6, n=2, seed=0)
CONFIG = kv.FinetuneConfig(lr=0.02, head_lr=0.1, steps=8)
TRAINED = kv.FinetuneConfig(lr=0.003, head_lr=0.03, steps=20)
NETWORKS = [make for make in FAMILY.values() if make is not Rows]


class Twice(nn.Module):
    """One convolution that is called twice, with a batch norm that reads both outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        first, second = self.conv(x), self.conv(x.flip(3))
        x = torch.relu(self.norm(second)) + torch.relu(self.norm(first))
        return self.head(x.mean(dim=(2, 3)))


def logits_of(method, make, config=CONFIG, **options):
    task = Task.draw()
    result = kv.finetune(lively(make, **options), task.support, method=method, config=config)
    with torch.no_grad():
        return result.backbone.module(task.others.clone())


@pytest.mark.parametrize("make", [*NETWORKS, Twice])
@pytest.mark.parametrize("train_mode", [False, True])
def test_gates_that_are_all_trained_are_plain_fine_tuning(make, train_mode):
    config = CONFIG.but(train_mode=train_mode)
    found = logits_of(AdaFilter(gate="all_trained"), make, config)
    assert torch.equal(found, logits_of("plain", make, config))


@pytest.mark.parametrize("make", [*NETWORKS, Twice])
@pytest.mark.parametrize("train_mode", [False, True])
def test_gates_that_are_all_frozen_train_the_head_alone(make, train_mode):
    config = CONFIG.but(train_mode=train_mode)
    found = logits_of(AdaFilter(gate="all_frozen"), make, config)
    assert torch.equal(found, logits_of("head_only", make, config))


@pytest.mark.parametrize("make", [FAMILY["Stack"], FAMILY["Residual"]])
def test_with_a_rate_of_0_no_filter_moves(make):
    found = logits_of(AdaFilter(gate="static", rate=0.0), make)
    assert torch.equal(found, logits_of("head_only", make))


def test_identities_hold_in_the_rows_of_an_evaluation():
    methods = [AdaFilter(gate="all_trained"), "plain"]
    candidates = [kv.Candidate(None, CONFIG, one) for one in methods]
    rows = kv.evaluate(toy_backbone(), DATA, EPISODES, candidates, path="loop")
    assert same_rows(rows, "adafilter", "plain")


@pytest.mark.parametrize("gate", ["learned", "static"])
def test_before_the_first_step_it_is_the_start(gate):
    task, backbone = Task.draw(), lively(FAMILY["Residual"])
    head = kv.HeadInit("class_means")
    runs = [
        start_run(backbone, task.support, method, None, CONFIG)
        for method in (
            AdaFilter(gate=gate, head=head),
            kv.Candidate(method="plain").at(head=head).method,
        )
    ]
    with torch.no_grad():
        ours, plain = (run.backbone.module(task.others.clone()) for run in runs)
    assert torch.equal(ours, plain)


def test_static_gates_train_the_filters_they_take():
    support, query = EPISODES[0].split(DATA)
    result = kv.finetune(toy_backbone(), support, method=AdaFilter(gate="static"), config=CONFIG)
    by_hand = masked(toy_backbone(), support, query, CONFIG)
    assert torch.equal(result.logits(query.images).argmax(dim=1), by_hand)


def test_frozen_twins_and_what_no_gate_opens_stay():
    support, _ = EPISODES[0].split(DATA)
    backbone = toy_backbone()
    config = CONFIG.but(train_mode=True)
    tuned = kv.finetune(backbone, support, method="adafilter", config=config).backbone.module
    start = dict(backbone.module.named_parameters())
    twins = [name for name, _ in tuned.named_parameters() if TWIN in name]
    assert len(twins) == 6
    for name in twins:
        assert torch.equal(tuned.get_parameter(name), start[name.replace(f"{TWIN}.", "")])
    assert not torch.equal(tuned.conv.weight, tuned.conv.frozen_twin.weight)
    assert not torch.equal(tuned.norm.running_mean, tuned.norm.frozen_twin.running_mean)


def test_gates_move_once_the_twins_differ():
    support, _ = EPISODES[0].split(DATA)
    gates = []
    for steps in (0, 2, 3):
        config = CONFIG.but(steps=steps)
        result = kv.finetune(toy_backbone(), support, method="adafilter", config=config)
        gates.append(gates_of(result.backbone).state_dict())
    same = [all(torch.equal(gates[0][one], other[one]) for one in other) for other in gates]
    # The head starts at zero, so the body first moves in the second step, and the gates after it.
    assert same == [True, True, False]


def test_the_network_takes_each_channel_from_the_twin_that_its_gate_says():
    support, query = EPISODES[0].split(DATA)
    config = CONFIG.but(lr=0.1)
    result = kv.finetune(toy_backbone(), support, method="adafilter", config=config)
    net, gates = result.backbone.module, gates_of(result.backbone)
    inputs = result.backbone.prepare(query.images)
    with torch.no_grad():
        found = net(inputs)
        first = decided(gates, 0, F.adaptive_avg_pool2d(inputs, 4).flatten(1), None)
        chosen = first[0][:, :, None, None]
        x = torch.where(
            chosen,
            plain_norm(net.norm, plain_conv(net.conv, inputs, padding=1)),
            plain_norm(net.norm.frozen_twin, plain_conv(net.conv.frozen_twin, inputs, padding=1)),
        ).relu()
        second = decided(gates, 1, x.mean(dim=(2, 3)), first[1])
        chosen = second[0][:, :, None, None]
        x = torch.where(chosen, plain_conv(net.deep, x), plain_conv(net.deep.frozen_twin, x))
        expected = net.head(x.relu().mean(dim=(2, 3)))
    torch.testing.assert_close(found, expected)
    assert len(torch.unique(first[0], dim=0)) > 1


def test_gates_depend_on_their_image_alone_and_on_no_pass_before():
    support, query = EPISODES[0].split(DATA)
    result = kv.finetune(toy_backbone(), support, method="adafilter", config=CONFIG)
    together = result.logits(query.images)
    alone = torch.cat([result.logits(query.images[i : i + 1]) for i in range(len(query))])
    torch.testing.assert_close(alone, together)


def test_the_tuned_network_can_be_copied_and_sent():
    support, query = EPISODES[0].split(DATA)
    result = kv.finetune(toy_backbone(), support, method="adafilter", config=CONFIG)
    inputs = result.backbone.prepare(query.images)
    expected = result.backbone.module(inputs)
    for other in (
        copy.deepcopy(result.backbone.module),
        pickle.loads(pickle.dumps(result.backbone.module)),
    ):
        assert torch.equal(other(inputs), expected)
        with torch.no_grad():
            next(one for one in other.modules() if isinstance(one, LearnedGates)).out[0].bias.add_(
                9
            )
        assert not torch.equal(other(inputs), expected)
    assert torch.equal(result.backbone.module(inputs), expected)


def test_diversity_rewards_gates_that_differ():
    support, _ = EPISODES[0].split(DATA)

    def spread(diversity):
        method = AdaFilter(diversity=diversity, gate_lr=0.03)
        result = kv.finetune(toy_backbone(), support, method=method, config=CONFIG.but(steps=20))
        with gates_of(result.backbone).recorded() as seen, torch.no_grad():
            result.backbone.module(result.backbone.prepare(support.images))
        return float(unlike(seen))

    assert spread(4.0) > 1.5 * spread(0.0)


def test_another_seed_draws_other_gates():
    first, second, again = (
        logits_of(AdaFilter(gate="static", gate_seed=seed), FAMILY["Stack"]) for seed in (0, 1, 0)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_attaching_leaves_the_random_state_alone():
    support, _ = EPISODES[0].split(DATA)
    backbone = toy_backbone()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    kv.finetune(backbone, support, method="adafilter", config=CONFIG)
    assert torch.equal(torch.rand(1), expected)


def test_what_cannot_be_gated_is_refused():
    support, _ = EPISODES[0].split(DATA)
    assert "no convolution" in AdaFilter().applies(lively(Rows, shape=(10,)))
    tuned = kv.finetune(toy_backbone(), support, method="adafilter", config=CONFIG).backbone
    with pytest.raises(kv.KShotError, match="gates already"):
        kv.finetune(tuned, support, method="adafilter", config=CONFIG)


class Lines(nn.Module):
    """Convolutions of as many axes as images have, with a batch norm."""

    def __init__(self, axes: int) -> None:
        super().__init__()
        conv, norm = getattr(nn, f"Conv{axes}d"), getattr(nn, f"BatchNorm{axes}d")
        self.first, self.norm, self.second = conv(1, 4, 3), norm(4), conv(4, 5, 2)
        self.head = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.first(x)))
        return self.head(torch.relu(self.second(x)).flatten(2).mean(dim=2))


@pytest.mark.parametrize("axes", [1, 3])
def test_convolutions_may_have_other_axes(axes):
    shape = (1, *[6] * axes)
    task, backbone = Task.draw(shape), lively(lambda: Lines(axes), shape=shape)
    found = [
        kv.finetune(backbone, task.support, method=method, config=CONFIG).losses
        for method in (AdaFilter(gate="all_trained"), "plain", "head_only", "adafilter")
    ]
    assert found[0] == found[1]
    assert min(found[1][-1], found[2][-1]) != found[3][-1] < found[3][0]


class Patches(nn.Module):
    """A convolution that is given quarters of images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        quarters = torch.relu(self.conv(torch.cat(x.chunk(2, dim=2)))).mean(dim=(2, 3))
        return self.head(quarters.reshape(2, len(x), -1).mean(dim=0))


def test_a_convolution_of_parts_of_images_is_refused():
    with pytest.raises(kv.KShotError, match="12 rows for 6 images"):
        logits_of("adafilter", Patches)


@pytest.mark.parametrize(
    "options",
    [{"gate": "open"}, {"rate": 1.5}, {"gate_lr": -1}, {"diversity": -1}, {"gate_seed": -1}],
)
def test_options_are_checked(options):
    with pytest.raises(kv.KShotError, match=next(iter(options))):
        AdaFilter(**options)


@pytest.mark.slow
@pytest.mark.parametrize("gate", ["static", "learned"])
def test_it_agrees_on_digits(gate):
    program = {"static": masked, "learned": gated_by_hand}[gate]
    ours, theirs = accuracies(kv.Candidate(None, TRAINED, AdaFilter(gate=gate)), program)
    assert ours == pytest.approx(theirs, abs=1), f"{ours:.2f} and {theirs:.2f}"


# ---- plain programs ---------------------------------------------------------------------------


def masked(backbone, support, query, config=TRAINED):
    """Plain fine-tuning in which the gradient of what static gates leave out is zero."""
    gated = start_run(backbone, support, AdaFilter(gate="static"), None, config).backbone
    values = dict(zip(gates_of(gated).layers, gates_of(gated).buffers(), strict=True))
    masks = {name: one for layer, one in values.items() for name in gated.tied_parameters(layer)}

    def loss(module, inputs, targets, starts):
        for name, one in module.named_parameters():
            if name in masks and not one._backward_hooks:
                mask = masks[name].reshape(-1, *[1] * (one.ndim - 1))
                one.register_hook(lambda gradient, mask=mask: gradient * mask)
        return F.cross_entropy(module(inputs), targets)

    return trained_by_hand(backbone, support, query, config, loss)


def gated_by_hand(backbone, support, query, config=TRAINED, gate_lr=AdaFilter.gate_lr):
    """The bundled network written out, with its gates as they start in the method."""
    gates = gates_of(start_run(backbone, support, AdaFilter(), None, config).backbone)
    body = backbone.with_new_head(int(support.targets.max()) + 1).module.requires_grad_()
    still = copy.deepcopy(body).requires_grad_(False)

    def logits(x):
        state = None
        for index, (block, other) in enumerate(zip(body.blocks, still.blocks, strict=True)):
            given = x.detach()
            read = F.adaptive_avg_pool2d(given, 4).flatten(1) if not index else given.mean((2, 3))
            score, state = scored(gates, index, read, state)
            if score.requires_grad:
                score.register_hook(lambda g: g / (g.square().mean().sqrt() + 1e-30) / len(g))
            soft = score.sigmoid()
            gate = ((score > 0).float() - soft.detach() + soft)[:, :, None, None]
            x = gate * block.norm(block.conv(x)) + (1 - gate) * other.norm(other.conv(x))
            x = block.pool(x.relu())
        return body.head(x.mean(dim=(2, 3)))

    body.eval(), still.eval()
    gates.requires_grad_(True)
    head = [*body.head.parameters()]
    rest = [one for name, one in body.named_parameters() if not name.startswith("head.")]
    groups = [(head, config.head_lr), (rest, config.lr), ([*gates.parameters()], gate_lr)]
    optimizer = torch.optim.SGD(
        [{"params": params, "lr": lr} for params, lr in groups], momentum=config.momentum
    )
    inputs, targets = backbone.prepare(support.images), torch.tensor(support.targets)
    for _ in range(config.steps):
        optimizer.zero_grad()
        F.cross_entropy(logits(inputs), targets).backward()
        optimizer.step()
    with torch.no_grad():
        return logits(backbone.prepare(query.images)).argmax(dim=1)


def scored(gates, layer, read, state):
    mean, std = gates.get_buffer(f"mean_{layer}"), gates.get_buffer(f"std_{layer}")
    state = gates.cell(gates.into[layer]((read - mean) / std), state)
    return gates.out[layer](state[0]), state


def decided(gates, layer, read, state):
    score, state = scored(gates, layer, read, state)
    return score > 0, state


def plain_conv(one, x, padding=0):
    return F.conv2d(x, one.weight, one.bias, padding=padding)


def plain_norm(one, x):
    return F.batch_norm(x, one.running_mean, one.running_var, one.weight, one.bias)

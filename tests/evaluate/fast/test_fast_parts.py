"""The parts of the fast path one by one, and networks that use them in unusual ways."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from fast_networks import (
    Residual,
    Rows,
    Stack,
    Task,
    by_loop,
    chunk_of,
    difference,
    lively,
    logits_of,
    planned,
    shape_of,
    together,
    traced,
)
from hypothesis import given
from hypothesis import strategies as st
from networks import toy_data
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from kshot_viz.data.episodes import sample_episodes
from kshot_viz.errors import KShotValueError
from kshot_viz.evaluate.evaluate import evaluate
from kshot_viz.evaluate.fast.batched_ties import (
    BatchedTies,
    Size,
    Value,
    side_by_side,
    split_candidates,
)
from kshot_viz.evaluate.fast.convolution import convolve, convolve_groups
from kshot_viz.evaluate.fast.parameters import (
    BatchedOptimizer,
    CandidateParameters,
    CandidatePlan,
    ParameterBlock,
)
from kshot_viz.evaluate.fast.supported import can_batch, per_channel, per_image
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.methods.config import FinetuneConfig

CLOSE = {"rtol": 1e-12, "atol": 1e-12}
CONFIG = FinetuneConfig(lr=0.1, head_lr=0.3, steps=10)


@st.composite
def ties(draw, most: int = 4):
    """Groups of one layer in several candidates, of ragged numbers."""
    n_candidates, neurons = draw(st.integers(1, most)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    groups = rng.integers(1, neurons + 1, n_candidates)
    rows = [np.unique(rng.integers(0, n, neurons), return_inverse=True)[1] for n in groups]
    mean = torch.from_numpy(rng.random(n_candidates) < 0.5)
    return BatchedTies(torch.from_numpy(np.stack(rows)), mean)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


# -- tied neurons --------------------------------------------------------------------------------


@given(ties())
def test_spread_and_sums_are_adjoint(tied):
    n_candidates, neurons = tied.labels.shape
    rows, values = drawn(n_candidates * tied.groups, 3), drawn(n_candidates * neurons, 3, seed=1)
    spread = tied.spread(rows, torch.zeros(neurons, 3, dtype=torch.float64))
    torch.testing.assert_close((spread * values).sum(), (rows * tied.sums(values)).sum(), **CLOSE)


@given(ties())
def test_the_gradient_of_spread_is_the_sum_over_members(tied):
    n_candidates, neurons = tied.labels.shape
    rows, values = (
        drawn(n_candidates * tied.groups, 3).requires_grad_(),
        drawn(n_candidates * neurons, 3),
    )
    spread = tied.spread(rows, drawn(neurons, 3, seed=2))
    (gradient,) = torch.autograd.grad(spread, rows, values)
    torch.testing.assert_close(gradient, tied.sums(values), **CLOSE)


@given(ties())
def test_every_neuron_gets_its_groups_row_on_top_of_its_start(tied):
    n_candidates, neurons = tied.labels.shape
    rows, start = drawn(n_candidates, tied.groups, 3), drawn(neurons, 3, seed=1)
    spread = tied.spread(rows.flatten(0, 1), start).view(n_candidates, neurons, 3)
    for i, labels in enumerate(tied.labels):
        assert torch.equal(spread[i], rows[i][labels] + start)


@given(ties())
def test_rows_of_groups_that_a_candidate_lacks_get_nothing(tied):
    n_candidates, neurons = tied.labels.shape
    summed = tied.sums(drawn(n_candidates * neurons, 3)).view(n_candidates, tied.groups, 3)
    for i, labels in enumerate(tied.labels):
        assert not summed[i, int(labels.max()) + 1 :].any()


@pytest.mark.parametrize("positions", [(), (4,), (2, 3)])
@given(tied=ties())
def test_channels_are_summed_as_rows_are(tied, positions):
    n_candidates, neurons = tied.labels.shape
    values = drawn(2, n_candidates * neurons, *positions)
    rows = values.transpose(0, 1).flatten(1)
    expected = tied.sums(rows).unflatten(1, (2, *positions)).transpose(0, 1)
    torch.testing.assert_close(tied.channel_sums(values), expected, **CLOSE)


def test_a_group_of_three_gets_a_third_or_the_whole_sum():
    labels = torch.tensor([[0, 0, 0, 1]] * 2)
    share = BatchedTies(labels, torch.tensor([True, False])).gradient_scale(torch.float64)
    assert share.tolist() == [[1 / 3, 1], [1, 1]]


# -- layout --------------------------------------------------------------------------------------


def test_neurons_first_and_images_first_say_the_same():
    rows = drawn(6, 5, 2, 2)
    flat = side_by_side(Value(rows, rows=True), Size(3, 5))
    assert torch.equal(flat, rows.transpose(0, 1))
    assert torch.equal(flat, side_by_side(Value(flat), Size(3, 5)))


@pytest.mark.parametrize("shape", [(5, 2), (5, 2, 3), (5, 2, 3, 3)])
def test_a_shared_value_is_every_candidates(shape):
    shared, size = drawn(*shape), Size(3, 5)
    split = split_candidates(side_by_side(shared, size), size)
    assert split.shape == (5, 3, *shape[1:])
    assert all(torch.equal(split[:, i], shared) for i in range(3))


# -- convolutions --------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv1d(3, 4, 3, padding=1),
        nn.Conv2d(3, 4, 3, stride=2, padding=1, dilation=2),
        nn.Conv3d(3, 4, 2),
    ],
)
def test_convolutions_side_by_side_are_the_convolutions(conv, shared):
    dims, n_candidates = conv.weight.ndim - 2, 3
    images = drawn(2, 3 if shared else 3 * n_candidates, *[5] * dims)
    weight, bias = drawn(n_candidates * 4, *conv.weight.shape[1:]), drawn(n_candidates * 4)
    found = split_candidates(
        convolve(conv, images, weight, bias, n_candidates), Size(n_candidates, 2)
    )
    for i in range(n_candidates):
        given_images = images if shared else images[:, 3 * i : 3 * i + 3]
        own = slice(4 * i, 4 * i + 4)
        expected = conv._conv_forward(given_images, weight[own], bias[own])
        torch.testing.assert_close(found[:, i], expected, **CLOSE)


@pytest.mark.parametrize("point", [True, False])
@pytest.mark.parametrize("shared", [True, False])
@given(tied=ties(most=3))
def test_the_gradient_by_group_is_the_sum_of_autograds(tied, shared, point):
    n_candidates, neurons = tied.labels.shape
    conv = nn.Conv2d(3, neurons, 1) if point else nn.Conv2d(3, neurons, 3, stride=2, padding=1)
    side = conv.kernel_size[0]
    given = drawn(2, 3 if shared else 3 * n_candidates, 5, 5)
    images = given.contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = drawn(n_candidates * neurons, 3, side, side).requires_grad_()
    bias = drawn(n_candidates * neurons).requires_grad_()
    rows = torch.zeros(
        n_candidates, tied.groups, 3 * side**2, dtype=torch.float64, requires_grad=True
    )
    bias_rows = torch.zeros(n_candidates, tied.groups, 1, dtype=torch.float64, requires_grad=True)
    plain = convolve(conv, images, weight, bias, n_candidates)
    pulled = drawn(*plain.shape, seed=1)
    expected = torch.autograd.grad(plain, [images, weight, bias], pulled)
    full = weight.detach(), bias.detach()
    grouped = convolve_groups(conv, images, full, rows, tied, bias_rows)
    torch.testing.assert_close(grouped, plain, **CLOSE)
    found = torch.autograd.grad(grouped, [images, rows, bias_rows], pulled)
    torch.testing.assert_close(found[0], expected[0], **CLOSE)
    by_group = tied.sums(expected[1].flatten(1)), tied.sums(expected[2].unsqueeze(1))
    torch.testing.assert_close(found[1].flatten(0, 1), by_group[0], **CLOSE)
    torch.testing.assert_close(found[2].flatten(0, 1), by_group[1], **CLOSE)


# -- steps ---------------------------------------------------------------------------------------

TORCH = {
    "sgd": lambda given, lr: torch.optim.SGD(given, lr=lr, momentum=0.9),
    "adam": lambda given, lr: torch.optim.Adam(given, lr=lr),
    "adamw": lambda given, lr: torch.optim.AdamW(given, lr=lr, weight_decay=0.0),
}


def plans(configs):
    return [CandidatePlan(config, {}, {}) for config in configs]


@pytest.mark.parametrize("optimizer", TORCH)
def test_steps_are_torchs_own(optimizer):
    start, sizes = drawn(3, 2), [0.3, 1e-3]
    block = ParameterBlock(0, start, None, start.new_tensor(sizes), width=2, whole=True)
    parameters = CandidateParameters([block])
    stepper = BatchedOptimizer(
        parameters, plans([FinetuneConfig(optimizer=optimizer, momentum=0.9)] * 2)
    )
    expected = [start.clone().requires_grad_() for _ in sizes]
    rivals = [TORCH[optimizer]([p], lr) for p, lr in zip(expected, sizes, strict=True)]
    for step in range(20):
        gradients = drawn(2, 3, 2, seed=step)
        stepper.step([gradients])
        for parameter, gradient, rival in zip(expected, gradients, rivals, strict=True):
            parameter.grad = gradient
            rival.step()
    found = parameters.full(0).detach().view(2, 3, 2)
    torch.testing.assert_close(found, torch.stack(expected).detach(), **CLOSE)


@pytest.mark.parametrize("optimizer", TORCH)
def test_decay_pulls_every_candidate_towards_the_start(optimizer):
    start, decays = drawn(3, 2), [0.0, 2.0]
    parameters = CandidateParameters(
        [ParameterBlock(0, start, None, start.new_full((2,), 0.1), width=2, whole=True)]
    )
    configs = [FinetuneConfig(optimizer=optimizer, weight_decay=one) for one in decays]
    stepper = BatchedOptimizer(parameters, plans(configs))
    for _ in range(10):
        stepper.step([torch.ones(2, 3, 2, dtype=torch.float64)])
    free, held = (parameters.full(0).detach().view(2, 3, 2) - start).abs().amax(dim=(1, 2))
    assert 0 < held < free


@pytest.mark.parametrize("optimizer", TORCH)
def test_a_candidate_whose_step_size_is_zero_stays(optimizer):
    start = drawn(3, 2)
    parameters = CandidateParameters(
        [ParameterBlock(0, start, None, start.new_tensor([0.1, 0.0]), width=2, whole=True)]
    )
    stepper = BatchedOptimizer(
        parameters, plans([FinetuneConfig(optimizer=optimizer, weight_decay=0.1)] * 2)
    )
    for seed in range(5):
        stepper.step([drawn(2, 3, 2, seed=seed)])
    trained, fixed = parameters.full(0).view(2, 3, 2)
    assert torch.equal(fixed, start)
    assert not torch.equal(trained, start)


# -- candidates trained together -----------------------------------------------------------------


def rivals(optimizer: str = "sgd") -> list[Candidate]:
    """Candidates that differ in everything a chunk allows, plain ones among them."""
    backbone, config = lively(Stack), CONFIG.but(optimizer=optimizer)
    coarse = Grouping.one_group(backbone)
    fine = Grouping({"blocks.0.conv": [0, 0, 1, 1, 2], "blocks.1.conv": [0, 1, 2, 3, 3, 0]})
    return [
        Candidate(None, config),
        Candidate(coarse, config.but(lr=0.3, momentum=0.5, weight_decay=0.1)),
        Candidate(fine, config.but(reduce="sum")),
        Candidate(fine, config.but(layer_lr={"blocks.0": 0.0})),
    ]


def last_layers(optimizer: str = "sgd") -> list[Candidate]:
    """Candidates of which only a grouped last layer and the head train."""
    config = CONFIG.but(optimizer=optimizer, others="freeze")
    coarse, fine = Grouping({"second": [0] * 6}), Grouping({"second": [0, 0, 1, 1, 2, 3]})
    return [
        Candidate(coarse, config),
        Candidate(fine, config.but(lr=0.3, momentum=0.5, weight_decay=0.1)),
        Candidate(fine, config.but(reduce="sum", momentum=0.0)),
        Candidate(coarse, config.but(head_lr=0.0)),
    ]


@pytest.mark.parametrize("optimizer", TORCH)
@pytest.mark.parametrize("make", [Stack, Rows])
def test_a_head_that_stays_keeps_all_logits_at_zero(make, optimizer):
    backbone, task = lively(make, shape=shape_of(make)), Task.draw(shape_of(make))
    tried = (rivals if make is Stack else last_layers)(optimizer)
    still = [Candidate(one.grouping, one.config.but(head_lr=0.0)) for one in tried]
    assert not any(one.any() for one in together(backbone, task, still, task.others))


def test_a_chunk_can_be_evaluated_before_it_trains():
    backbone, task, tried = lively(Stack), Task.draw(), rivals()
    chunk, part = chunk_of(traced(backbone, task), task, tried)
    assert not logits_of(chunk, part, task.others).any()
    chunk.accuracies()
    list(chunk.states())
    expected = by_loop(backbone, task, tried[0], task.others)
    assert difference(logits_of(chunk, part, task.others)[0], expected) <= 1e-12


def test_who_diverges_does_not_touch_the_others():
    backbone, task, tried = lively(Residual), Task.draw(), []
    for lr in (0.01, 1e200, 0.1):
        grouping = Grouping.one_group(backbone)
        tried += [Candidate(grouping, CONFIG.but(lr=lr)), Candidate(None, CONFIG.but(lr=lr))]
    found = together(backbone, task, tried, task.others)
    expected = [by_loop(backbone, task, one, task.others) for one in tried]
    assert [one is None for one in expected] == [False, False, True, True, False, False]
    assert max(map(difference, found, expected)) <= 1e-9


# -- which calls run for several candidates at once ----------------------------------------------


class Net(nn.Module):
    """Two convolutions, and something between them that a test puts there."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.deep = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
        self.head = nn.Linear(5, 2)
        self.build()

    def build(self) -> None:
        pass

    def between(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        x = self.between(torch.relu(self.conv(x)))
        return self.head(torch.relu(self.deep(x)).mean(dim=(2, 3)))


def between(call, *made: nn.Module) -> type[Net]:
    """Return a network that makes ``made`` its children ``m0, ...`` and calls ``call(net, x)``."""

    class Made(Net):
        def build(self) -> None:
            for i, one in enumerate(made):
                self.add_module(f"m{i}", one)

        def between(self, x: Tensor) -> Tensor:
            return call(self, x)

    return Made


def hooked(module: nn.Module) -> nn.Module:
    """Return a module whose output of one channel depends on the others."""
    module.register_forward_hook(lambda module, args, out: out - out.mean(dim=1, keepdim=True))
    return module


def backward_hooked(module: nn.Module) -> nn.Module:
    """Return a module that gets a larger gradient."""
    module.register_full_backward_pre_hook(lambda module, got: (got[0] * 3,))
    return module


def halves() -> list[nn.Module]:
    return [nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)]


# Modules are made below, at import: their weights must not depend on what was imported before.
torch.manual_seed(0)
AT_ONCE = {
    "relu": between(lambda net, x: F.relu(x - 0.1)),
    "pool": between(lambda net, x: net.m0(x), nn.AvgPool2d(2)),
    "functional pool": between(lambda net, x: F.adaptive_avg_pool2d(x, 3)),
    "sum": between(lambda net, x: x + torch.tanh(x) * 2),
    "gate": between(lambda net, x: x * torch.sigmoid(F.adaptive_avg_pool2d(x, 1))),
    "cat": between(lambda net, x: torch.cat([net.m0(x), net.m1(x)], 1), *halves()),
    "norm": between(lambda net, x: net.m0(x), nn.BatchNorm2d(4)),
    "norm without weights": between(lambda net, x: net.m0(x), nn.BatchNorm2d(4, affine=False)),
    "depthwise": between(lambda net, x: net.m0(x), nn.Conv2d(4, 4, 3, groups=4)),
    "two groups": between(lambda net, x: net.m0(x), nn.Conv2d(4, 4, 3, groups=2)),
    "called twice": between(lambda net, x: net.m0(torch.relu(net.m0(x))), nn.Conv2d(4, 4, 1)),
    "not read": between(lambda net, x: (x, net.m0(x))[0], nn.Conv2d(4, 2, 1)),
}

ONE_BY_ONE = {
    "hooked relu": between(lambda net, x: net.m0(x), hooked(nn.ReLU())),
    "hooked convolution": between(lambda net, x: net.m0(x), hooked(nn.Conv2d(4, 4, 1))),
    "backward hook": between(lambda net, x: net.m0(x), backward_hooked(nn.Conv2d(4, 4, 1))),
    "mask": between(lambda net, x: x * torch.sigmoid(net.m0(x)), nn.Conv2d(4, 1, 1)),
    "cat by name": between(
        lambda net, x: torch.cat(tensors=[net.m0(x), net.m1(x)], dim=1), *halves()
    ),
    "same padding": between(lambda net, x: net.m0(x), nn.Conv2d(4, 4, 3, padding="same")),
    "circular": between(
        lambda net, x: net.m0(x), nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular")
    ),
    "parametrized": between(lambda net, x: net.m0(x), weight_norm(nn.Conv2d(4, 4, 1))),
    "learned slope": between(lambda net, x: net.m0(x - 0.2), nn.PReLU()),
    "over channels": between(lambda net, x: net.m0(x), nn.GroupNorm(2, 4)),
    "detached": between(lambda net, x: x.detach() * 2 + x),
}


class Scaled(Net):
    """A scale for each channel, as ConvNeXt has it, and a single number."""

    def build(self) -> None:
        self.scale = nn.Parameter(torch.rand(4, 1, 1) + 0.5)
        self.number = nn.Parameter(torch.tensor(1.5))

    def between(self, x: Tensor) -> Tensor:
        return x * self.scale * self.number


class Signal(nn.Module):
    """Convolutions in one dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.deep = nn.Conv1d(1, 4, 5, stride=2), nn.Conv1d(4, 5, 3)
        self.norm, self.pool = nn.BatchNorm1d(4), nn.MaxPool1d(2)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.relu(self.norm(self.conv(x.flatten(2)))))
        return self.head(torch.relu(self.deep(x)).mean(2))


class Pieces(nn.Module):
    """Linear layers on a batch of the rows of all images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.deep = nn.Linear(8, 60), nn.Linear(60, 5)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        rows = torch.relu(self.conv(x.flatten(0, 2)))
        return self.head(torch.relu(self.deep(rows)).view(x.shape[0], 8, -1).mean(1))


class PoolsFeatures(nn.Module):
    """A pooling of features, for which a batch looks like channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.deep = nn.Linear(64, 9), nn.Linear(4, 5)
        self.pool, self.head = nn.AdaptiveAvgPool1d(4), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.deep(self.pool(torch.relu(self.conv(x.flatten(1)))))))


class Shared(nn.Module):
    """One weight under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.deep = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
        self.again, self.head = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.Linear(4, 2)
        self.again.weight = self.deep.weight

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        return self.head(torch.relu(self.again(torch.relu(self.deep(x)))).mean(dim=(2, 3)))


class Recurrent(nn.Module):
    """A recurrent layer, whose module keeps its weights in a list of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.deep = nn.Linear(8, 4), nn.Linear(4, 5)
        self.cells, self.head = nn.GRU(5, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.deep(torch.relu(self.conv(x.flatten(1, 2))))
        return self.head(self.cells(rows)[0].mean(1))


class NormalizesAfter(Net):
    """Something is done to the logits."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.log_softmax(super().forward(x) * 2, dim=1)


AT_ONCE |= {"one dimension": Signal, "shared weight": Shared}
ONE_BY_ONE |= {
    one.__name__: one for one in (Scaled, Pieces, PoolsFeatures, Recurrent, NormalizesAfter)
}


def candidates_of(backbone) -> list[Candidate]:
    """Return plain and grouped candidates, some with their first or last layer frozen."""
    deep = backbone.layers["deep"].width
    halved = Grouping({"deep": np.arange(deep) // 2})
    config = CONFIG.but(lr=0.2, head_lr=1.0)
    return [
        Candidate(None, config),
        Candidate(Grouping.one_group(backbone), config.but(weight_decay=0.1)),
        Candidate(halved, config.but(others="freeze")),
        Candidate(None, config.but(layer_lr={"conv": 0.0})),
    ]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", [*AT_ONCE, *ONE_BY_ONE])
def test_unusual_networks_equal_the_loop(name, optimizer):
    backbone, task = lively((AT_ONCE | ONE_BY_ONE)[name]), Task.draw()
    tried = [
        Candidate(one.grouping, one.config.but(optimizer=optimizer))
        for one in candidates_of(backbone)
    ]
    network = traced(backbone, task)
    assert can_batch(planned(network, tried, task)[1]) == (name in AT_ONCE)
    # Two of each kind, since with one by_loop nothing lies side by side.
    parted = [tried[:2], tried[2:3] * 2, tried[3:] * 2]
    for part in parted:
        found = together(backbone, task, part, task.others)
        expected = [by_loop(backbone, task, one, task.others) for one in part]
        assert max(map(difference, found, expected)) <= 1e-9


# -- through the public page ---------------------------------------------------------------------


def rows_of(path: str, candidates: list[Candidate], make: type = Stack) -> pd.DataFrame:
    data = toy_data(3, 20)
    episodes = sample_episodes(data, way=3, shot=2, query=5, n=2, val_share=0.0)
    return evaluate(lively(make), data, episodes, candidates, path=path, at_steps=[0, 5, 10])


def test_the_public_page_gives_the_loops_rows():
    fast, loop = (rows_of(path, rivals()) for path in ("fast", "loop"))
    assert set(fast.path) == {"whole", "tail"}
    np.testing.assert_allclose(fast.support_loss, loop.support_loss, rtol=1e-9, atol=1e-9)
    assert list(fast.predicted) == list(loop.predicted)


def test_where_nothing_trains_the_loop_runs():
    still = Candidate(None, CONFIG.but(head_lr=0.0), "head_only")
    assert set(rows_of("auto", [still]).path) == {"loop"}
    with pytest.raises(KShotValueError, match="nothing of its network moves"):
        rows_of("fast", [still])


def test_what_cannot_be_traced_is_an_error_with_the_fast_path():
    looks = between(lambda net, x: x * 2 if x.sum() > 1e9 else x)
    plain = [Candidate(None, CONFIG)]
    assert set(rows_of("auto", plain, looks).path) == {"loop"}
    with pytest.raises(KShotValueError, match="cannot be traced"):
        rows_of("fast", plain, looks)


def calls(make: type[nn.Module]) -> dict[str, tuple[bool, bool]]:
    """Return for each call whether it is per image, and per channel."""
    graph = traced(lively(make), Task.draw()).graph
    return {node.name: (per_image(graph, node), per_channel(graph, node)) for node in graph.calls()}


def test_a_sum_mixes_no_images_but_is_not_per_channel():
    found = calls(AT_ONCE["sum"])
    assert found["add"] == (True, False)
    assert found["tanh"] == (True, True)


def test_a_mean_over_channels_is_neither():
    class Means(Net):
        def between(self, x: Tensor) -> Tensor:
            return x - x.mean(dim=1, keepdim=True) + x.mean(dim=3, keepdim=True)

    found = calls(Means)
    assert found["mean"] == (False, False)
    assert found["mean_1"] == (True, True)

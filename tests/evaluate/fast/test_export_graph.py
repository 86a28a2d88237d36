"""A graph by torch.export computes what its network computes, where torch.fx cannot follow."""

from __future__ import annotations

import threading

import pytest
import torch
from fast_networks import EXPORTED, GuardedStack, Residual, Stack, Task, lively, shape_of, traced
from torch import Tensor, nn

from kshot_viz.evaluate.fast.agreement import run
from kshot_viz.evaluate.fast.export_graph import export_graph
from kshot_viz.evaluate.fast.supported import can_batch
from kshot_viz.evaluate.fast.trace import trace
from kshot_viz.models.head import Head

PATIENCE = 60
DOUBLE = {"rtol": 1e-12, "atol": 1e-12}


def tuned(make, n=6) -> tuple[nn.Module, Task]:
    """Return a network whose new head is not zero, in double precision, and a task for it."""
    backbone, task = lively(make, shape=shape_of(make)), Task.draw(shape_of(make), n)
    module = backbone.with_new_head(3).module
    for head in (one for one in module.modules() if isinstance(one, Head)):
        nn.init.normal_(head.linear.weight, generator=torch.Generator().manual_seed(0))
    return module, task


@pytest.mark.parametrize("make", [*EXPORTED.values(), Residual])
def test_an_exported_graph_gives_values_and_gradients_at_any_number_of_images(make):
    module, task = tuned(make)
    graph = export_graph(module, task.support.inputs[:2])
    for images in (task.others, task.support.inputs[:1], task.others[:3]):
        output = run(graph, images)
        expected = module(images)
        torch.testing.assert_close(output, expected, **DOUBLE)
        weights = list(module.parameters())
        pairs = zip(
            *(torch.autograd.grad(one.sum(), weights) for one in (output, expected)), strict=True
        )
        for one, two in pairs:
            torch.testing.assert_close(one, two, **DOUBLE)


@pytest.mark.parametrize("make", EXPORTED.values())
def test_it_is_made_where_torch_fx_cannot_follow_and_more_than_the_head_trains(make):
    module, task = tuned(make)
    assert trace(module, task.support.inputs) is None
    network = traced(lively(make, shape=shape_of(make)), task)
    named = dict(network.backbone.module.named_parameters())
    head = {id(named[name]) for name in network.backbone.head_parameters()}
    assert network.graph.opaque
    assert network.graph_for(head) is network.graph
    last = {id(one) for name, one in named.items() if name.startswith(("out", "blocks.1"))} | head
    assert network.graph_for(last) is network.exported
    assert network.reach(network.trained_part(last)) == "tail"
    assert network.reach(network.trained_part(map(id, named.values()))) == "whole"


def test_layers_are_called_as_in_other_graphs_so_that_candidates_train_side_by_side():
    network = traced(lively(GuardedStack), Task.draw())
    part = network.trained_part(map(id, network.backbone.module.parameters()))
    assert can_batch(part)
    kinds = {type(part.graph.target(one)) for one in part.nodes if one.op == "call_module"}
    assert kinds == {nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, Head}


def test_the_next_copy_of_a_network_is_not_exported_again(monkeypatch):
    backbone, task, calls = lively(GuardedStack), Task.draw(), []
    real = torch.export.export
    monkeypatch.setattr(
        torch.export, "export", lambda *args, **more: (calls.append(1), real(*args, **more))[1]
    )
    for way, total in ((3, 1), (3, 1), (2, 2)):
        copied = backbone.with_new_head(way).module
        graph = export_graph(copied, task.others[:2], backbone)
        assert len(calls) == total
        torch.testing.assert_close(run(graph, task.others), copied(task.others), **DOUBLE)
        own = set(map(id, copied.parameters()))
        assert {id(p) for node in graph.calls() for p in graph.parameters(node)} == own


class Guarded(nn.Module):
    """A body with room for a trick, that torch.fx cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4, 2)
        self.scale = torch.full((4, 1, 1), 3.0, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] != 1:
            raise ValueError
        return self.head(self.trick(torch.relu(self.conv(x))).mean(dim=(2, 3)))

    def trick(self, x: Tensor) -> Tensor:
        return x * self.scale


class Looks(Guarded):
    def trick(self, x: Tensor) -> Tensor:
        return x * 2 if x.sum() > 1e9 else x


class WritesToAView(Guarded):
    def trick(self, x: Tensor) -> Tensor:
        x[:, 0].mul_(2.0)
        return x


class Counts(Guarded):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def trick(self, x: Tensor) -> Tensor:
        self.calls.add_(1)
        return x


class HidesGradients(Guarded):
    def trick(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.relu(x)


class KnowsItsBatch(Guarded):
    def trick(self, x: Tensor) -> Tensor:
        return x.view(2, *x.shape[1:])


class Mixes(Guarded):
    def trick(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=0, keepdim=True)


def test_a_tensor_that_is_no_weight_is_a_constant():
    module, task = tuned(Guarded)
    graph = export_graph(module, task.support.inputs)
    torch.testing.assert_close(run(graph, task.others), module(task.others), **DOUBLE)


@pytest.mark.parametrize(
    "make", [Looks, WritesToAView, Counts, HidesGradients, KnowsItsBatch, Mixes]
)
def test_what_it_would_get_wrong_is_not_accepted_and_nothing_is_printed(make, capfd):
    backbone = lively(Guarded).with_new_head(3)
    other = make().double().eval()
    other.head = backbone.module.head
    assert export_graph(backbone.module, Task.draw().support.inputs[:2]) is not None
    assert export_graph(other, Task.draw().support.inputs[:2]) is None
    assert capfd.readouterr() == ("", "")


class Slow(Stack):
    """Its export ends when the test sets ``over``."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.over = threading.Event(), threading.Event()

    def forward(self, x: Tensor) -> Tensor:
        self.begun.set()
        assert self.over.wait(PATIENCE)
        return super().forward(x)


# Said by some versions in the other thread; `export_graph` ignores warnings.
@pytest.mark.filterwarnings("ignore:Unable to find the path of the module")
def test_other_threads_call_their_modules_while_one_exports():
    slow, other, graphs = Slow().eval(), nn.Sequential(nn.Linear(3, 4), nn.ReLU()), []
    expected = other(torch.ones(1, 3))
    images = torch.rand(2, 1, 8, 8)
    thread = threading.Thread(target=lambda: graphs.append(exported_nodes(slow, images)))
    thread.start()
    assert slow.begun.wait(PATIENCE)
    try:
        output = other(torch.ones(1, 3))
    finally:
        slow.over.set()
        thread.join(PATIENCE)
    assert torch.equal(output, expected)
    stack = Stack().eval()
    assert [str(one) for one in graphs[0]] == [str(one) for one in exported_nodes(stack, images)]


def exported_nodes(module: nn.Module, images: Tensor):
    program = torch.export.export(module, (images,), strict=False)
    return program.graph.nodes

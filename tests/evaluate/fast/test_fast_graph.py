"""A traced graph computes what its network computes; other networks are not traced."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from fast_networks import FAMILY, IMAGE, Stack, Task, lively, shape_of, traced
from torch import Tensor, nn

from kshot_viz.evaluate.fast.agreement import close
from kshot_viz.evaluate.fast.graph import Graph, run_node
from kshot_viz.evaluate.fast.split import compute_frozen_features, split
from kshot_viz.evaluate.fast.trace import trace
from kshot_viz.models.backbone import Backbone


class Body(nn.Module):
    """Two convolutions with room for a trick between them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.deep = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 5, 3)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.trick(torch.relu(self.conv(x)))
        return self.head(torch.relu(self.deep(x)).mean(dim=(2, 3)))

    def trick(self, x: Tensor) -> Tensor:
        return x


class Looks(Body):
    def trick(self, x: Tensor) -> Tensor:
        return x * 2 if x.sum() > 1e9 else x


class Counts(Body):
    calls = 0

    def trick(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.calls


class Draws(Body):
    def trick(self, x: Tensor) -> Tensor:
        return x + torch.rand(1).item()


class WritesInPlace(Body):
    """The effect of what is in place is read under the old name."""

    def trick(self, x: Tensor) -> Tensor:
        x.mul_(2.0)
        return x


class HidesGradients(Body):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = torch.relu(self.conv(x))
        return self.head(torch.relu(self.deep(x)).mean(dim=(2, 3)))


class Straight(torch.autograd.Function):
    """Rounds, with the gradient of the identity."""

    @staticmethod
    def forward(ctx, x):
        return torch.round(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class OwnBackward(Body):
    def trick(self, x: Tensor) -> Tensor:
        return Straight.apply(x * 4)


class Mixes(Body):
    def trick(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=0, keepdim=True)


class MixesInANorm(Body):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4, track_running_stats=False)

    def trick(self, x: Tensor) -> Tensor:
        return self.norm(x)


class ActsInPlace(Body):
    def trick(self, x: Tensor) -> Tensor:
        torch.nn.functional.relu_(x.sub_(0.1))
        return x


def values(graph: Graph, images: Tensor) -> Tensor:
    found = {graph.image: images}
    for node in graph.calls():
        found[node] = run_node(graph, node, found)
    return found[graph.output]


def gradients(output: Tensor, module: nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(output.square().sum(), list(module.parameters())))


# -- what cannot be traced -----------------------------------------------------------------------


# Of the first the body gives the same features each time, so that they can be frozen.
STEADY = [Looks, WritesInPlace, HidesGradients, OwnBackward, ActsInPlace]
MISLEADING = [Counts, Draws]


@pytest.mark.parametrize("make", [Mixes, MixesInANorm])
def test_a_network_whose_images_influence_each_other_is_left_to_the_loop(make):
    assert traced(lively(make), Task.draw()).graph is None


@pytest.mark.parametrize("make", MISLEADING)
def test_a_network_whose_trace_is_wrong_is_left_to_the_loop(make):
    assert traced(lively(make), Task.draw()).graph is None


@pytest.mark.parametrize("make", STEADY)
def test_of_an_untraced_network_the_head_alone_stands_apart(make):
    task = Task.draw()
    network = traced(lively(make), task)
    assert network.graph.opaque
    module = network.backbone.module
    with torch.no_grad():
        assert torch.allclose(
            values(network.graph, task.support.inputs), module(task.support.inputs)
        )
    body, head = network.graph.calls()
    named = dict(module.named_parameters())
    of_head = {id(named[name]) for name in network.backbone.head_parameters()}
    assert {id(one) for one in network.graph.parameters(head)} == of_head
    rest = {id(one) for one in named.values()} - of_head
    assert {id(one) for one in network.graph.parameters(body)} == rest
    assert network.reach(network.trained_part(of_head)) == "head"
    assert network.trained_part(rest).whole


def test_outputs_are_compared_in_units_of_the_largest():
    # An entry near zero may be a sum of numbers in the hundreds, and is rounded as they are.
    assert close(torch.tensor([413.2, 0.0103]), torch.tensor([413.2, 0.0100]))
    assert not close(torch.tensor([1.0, 0.0103]), torch.tensor([1.0, 0.0100]))
    assert not close(torch.tensor([413.2, 0.1]), torch.tensor([413.2, 0.0]))
    assert close(torch.zeros(2), torch.zeros(2))
    assert not close(torch.tensor([1e-9, 0.0]), torch.zeros(2))
    assert not close(torch.full((2,), torch.nan), torch.full((2,), torch.nan))


@pytest.mark.parametrize("make", FAMILY.values())
def test_ordinary_networks_are_traced(make):
    task = Task.draw(shape_of(make))
    assert traced(lively(make, shape=shape_of(make)), task).graph is not None


def test_a_network_that_writes_to_its_input_spoils_no_images():
    class Centres(Body):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.sub_(0.5))

    task = Task.draw()
    before = task.support.inputs.clone()
    traced(lively(Centres), task)
    assert torch.equal(task.support.inputs, before)


# -- what is traced ------------------------------------------------------------------------------


@pytest.mark.parametrize("make", FAMILY.values())
def test_a_graph_gives_the_networks_values_and_gradients(make):
    module = make().double().eval()
    images = torch.rand(3, *shape_of(make), dtype=torch.float64)
    expected = copy.deepcopy(module)
    graph = trace(module, images)
    output, wanted = values(graph, images), expected(images)
    torch.testing.assert_close(output, wanted, rtol=1e-12, atol=1e-12)
    for one, two in zip(gradients(output, module), gradients(wanted, expected), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


def test_a_head_appended_by_a_hook_is_traced():
    class Featureless(Body):
        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.deep(torch.relu(self.conv(x))))

    backbone, task = lively(Featureless, head="output"), Task.draw()
    tuned = backbone.with_new_head(3)
    nn.init.normal_(tuned.module.get_submodule(tuned.head_name).linear.weight)
    assert tuned.module._forward_hooks
    graph = trace(tuned.module, task.support.inputs)
    expected = tuned.module(task.others)
    torch.testing.assert_close(values(graph, task.others), expected)


def kinds(graph: Graph) -> list[type]:
    return [type(graph.target(node)) for node in graph.calls() if node.op == "call_module"]


def pooled(pool: nn.Module, relu: nn.Module | None = None) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), relu or nn.ReLU(inplace=True), pool).double()


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.MaxPool2d(3, stride=2, padding=1)])
def test_pooling_before_the_relu_changes_nothing(pool):
    module, images = pooled(pool), torch.randn(3, *IMAGE, dtype=torch.float64)
    expected = copy.deepcopy(module)
    graph = trace(module, images)
    assert kinds(graph) == [nn.Conv2d, nn.MaxPool2d, nn.ReLU]
    output, wanted = values(graph, images), expected(images)
    assert torch.equal(output, wanted)
    for one, two in zip(gradients(output, module), gradients(wanted, expected), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


def test_a_pooling_that_returns_indices_keeps_its_position():
    class Indices(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu = nn.Conv2d(1, 4, 3), nn.ReLU()
            self.pool, self.back = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)

        def forward(self, x: Tensor) -> Tensor:
            values, indices = self.pool(self.relu(self.conv(x)))
            return self.back(values, indices)

    graph = trace(Indices().double(), torch.rand(3, *IMAGE, dtype=torch.float64))
    assert kinds(graph) == [nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.MaxUnpool2d]


def test_a_relu_with_a_hook_keeps_its_position():
    relu = nn.ReLU()
    relu.register_forward_hook(lambda module, args, output: output + 1)
    graph = trace(pooled(nn.MaxPool2d(2), relu), torch.rand(3, *IMAGE, dtype=torch.float64))
    assert kinds(graph) == [nn.Conv2d, nn.ReLU, nn.MaxPool2d]


def test_the_callers_network_stays_as_it_is():
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten())
    module = nn.Sequential(module, nn.Linear(144, 2)).train()
    before = copy.deepcopy(module.state_dict())
    backbone = Backbone(module, head="1", example=torch.rand(2, *IMAGE))
    assert traced(backbone, Task.draw(dtype=torch.float32)).graph is not None
    for one in (module, backbone.module):
        assert one[0][1].inplace
        assert all(p.requires_grad and p.grad is None for p in one.parameters())
        assert all(torch.equal(value, before[name]) for name, value in one.state_dict().items())
    assert module.training


def test_poolings_by_function_are_traced_too():
    class Pools(Body):
        def trick(self, x: Tensor) -> Tensor:
            return F.max_pool2d(F.relu(x - 0.1, inplace=True), 2)

    assert traced(lively(Pools), Task.draw()).graph is not None


# -- the frozen part -----------------------------------------------------------------------------


def ids_of(module: nn.Module, *names: str) -> set[int]:
    return {id(module.get_parameter(name)) for name in names}


def test_the_frozen_part_gives_the_networks_values_at_the_cut_only():
    task = Task.draw()
    network = traced(lively(Stack), task)
    module = network.backbone.module
    part = split(network.graph, ids_of(module, "blocks.1.conv.weight"))
    frozen = compute_frozen_features(part, task.support.inputs)
    (value,) = frozen.values.values()
    torch.testing.assert_close(value, module.blocks[0](task.support.inputs))
    assert frozen.nbytes == value.nbytes


def test_a_value_read_twice_is_in_the_cut_once():
    network = traced(lively(FAMILY["Fire"]), Task.draw())
    module = network.backbone.module
    part = split(network.graph, ids_of(module, "left.weight", "right.bias"))
    assert len(part.cut) == 1


def test_a_frozen_branch_is_read_by_the_trained_part():
    network = traced(lively(FAMILY["Residual"]), Task.draw())
    module = network.backbone.module
    part = split(network.graph, ids_of(module, "second.weight"))
    assert len(part.cut) == 2


@pytest.mark.parametrize(
    ("names", "reach"),
    [
        (["head.linear.weight"], "head"),
        (["blocks.1.conv.weight"], "tail"),
        (["blocks.1.norm.weight", "head.linear.bias"], "tail"),
        (["blocks.0.conv.weight"], "whole"),
    ],
)
def test_how_much_of_the_network_is_computed_at_every_step(names, reach):
    network = traced(lively(Stack), Task.draw())
    assert network.reach(network.trained_part(ids_of(network.backbone.module, *names))) == reach


def test_without_trained_parameters_the_trained_part_is_empty():
    network = traced(lively(Stack), Task.draw())
    assert network.trained_part(set()).nodes == ()

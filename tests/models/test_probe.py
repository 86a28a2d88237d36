from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kshot_viz.errors import KShotValueError
from kshot_viz.models.probe import LayerInfo, probe


def seq(*modules):
    return nn.Sequential(*modules)


IMAGE = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Called(nn.Module):
    """A network made of a function of its children."""

    def __init__(self, run, **children):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)
        self.run = run

    def forward(self, x):
        return self.run(self, x)


def hooks_of(module):
    return [len(child._forward_hooks) + len(child._forward_pre_hooks) for child in module.modules()]


def state_of(module):
    return (
        {k: (id(v), v._version, v.clone()) for k, v in module.state_dict(keep_vars=True).items()},
        [child.training for child in module.modules()],
        hooks_of(module),
    )


def same_state(before, after):
    tensors, *rest = before
    assert rest == list(after[1:])
    assert tensors.keys() == after[0].keys()
    for key, (identity, version, value) in tensors.items():
        assert (identity, version) == after[0][key][:2]
        assert torch.equal(value, after[0][key][2])


# ---- layers and order -------------------------------------------------------------------------


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.booleans())
def test_a_plain_mlp(widths, normed):
    parts, given_width = [], 3
    for width in widths:
        norm = [nn.BatchNorm1d(width)] if normed else []
        parts += [nn.Linear(given_width, width), *norm, nn.ReLU()]
        given_width = width
    layers = probe(seq(*parts), torch.randn(2, 3)).layers
    assert [info.width for info in layers.values()] == widths
    assert all((info.norm is not None) == normed for info in layers.values())
    assert all(int(i.norm) == int(i.name) + 1 for i in layers.values() if i.norm)


def test_what_is_said_about_a_layer():
    found = probe(seq(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), IMAGE)
    assert found.layers == {"0": LayerInfo("0", "Conv2d", 4, "1", (4, 3, 3, 3), 4)}
    assert found.inputs == {"": (2, 3, 8, 8), "0": (2, 3, 8, 8), "1": (2, 4, 6, 6)} | {
        "2": (2, 4, 6, 6)
    }
    assert found.output_shape == (2, 4, 6, 6)
    assert (found.last, found.returns_last) == ("0", False)


def test_order_is_the_order_of_execution():
    net = Called(
        lambda self, x: self.first(self.second(x)),
        first=nn.Conv2d(4, 5, 1),
        second=nn.Conv2d(3, 4, 1),
    )
    assert list(probe(net, IMAGE).layers) == ["second", "first"]


@pytest.mark.parametrize(
    ("conv", "norm", "example"),
    [
        (nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), torch.randn(2, 3, 9)),
        (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), torch.randn(2, 3, 9, 9)),
        (nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4), torch.randn(2, 3, 5, 5, 5)),
        (nn.Conv2d(3, 4, 3), nn.SyncBatchNorm(4), torch.randn(2, 3, 9, 9)),
        (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False), torch.randn(2, 3, 9, 9)),
    ],
    ids=["1d", "2d", "3d", "sync", "not affine"],
)
def test_every_kind_of_batch_norm_is_tied(conv, norm, example):
    (info,) = probe(seq(conv, norm), example).layers.values()
    assert info.norm == "1"


def test_depthwise_and_grouped_convolutions():
    net = seq(
        nn.Conv2d(3, 6, 1),
        nn.Conv2d(6, 6, 3, groups=6, bias=False),
        nn.BatchNorm2d(6),
        nn.Conv2d(6, 4, 1, groups=2),
    )
    layers = probe(net, IMAGE).layers
    assert [info.width for info in layers.values()] == [6, 6, 4]
    assert layers["1"].weight_shape == (6, 1, 3, 3)
    assert layers["1"].norm == "2"


def test_subclasses_count():
    class Standardised(nn.Conv2d):
        pass

    assert probe(seq(Standardised(3, 4, 1)), IMAGE).layers["0"].kind == "Standardised"


# ---- ties -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "between",
    [nn.ReLU(inplace=True), nn.ReLU(), nn.MaxPool2d(2), nn.Hardtanh(inplace=True)],
    ids=["relu in place", "relu", "pool", "hardtanh in place"],
)
def test_no_tie_through_anything(between):
    assert (
        probe(seq(nn.Conv2d(3, 4, 1), between, nn.BatchNorm2d(4)), IMAGE).layers["0"].norm is None
    )


@pytest.mark.parametrize(
    "run",
    [
        lambda self, x: self.norm(self.conv(x) + x),
        lambda self, x: self.norm(self.conv(x).add_(1.0)),
        lambda self, x: self.norm(self.conv(x).clone()),
        lambda self, x: self.norm(torch.cat([self.conv(x), x], 1)[:, :3]),
        lambda self, x: self.conv(self.norm(x)),
    ],
    ids=["residual", "in place", "copy", "part", "norm first"],
)
def test_no_tie_to_anything_else(run):
    net = Called(run, conv=nn.Conv2d(3, 3, 1), norm=nn.BatchNorm2d(3))
    assert probe(net, IMAGE).layers["conv"].norm is None


def test_in_place_after_the_norm_keeps_the_tie():
    net = seq(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    assert probe(net, IMAGE).layers["0"].norm == "1"


def test_dropout_in_eval_mode_hands_the_same_tensor_on():
    net = seq(nn.Conv2d(3, 4, 1), nn.Identity(), nn.BatchNorm2d(4))
    assert probe(net, IMAGE).layers["0"].norm == "2"


def test_a_module_called_twice():
    net = Called(
        lambda self, x: self.norm(self.conv(self.norm(self.conv(x)))),
        conv=nn.Conv2d(3, 3, 1),
        norm=nn.BatchNorm2d(3),
    )
    layers = probe(net, IMAGE).layers
    assert list(layers) == ["conv"]
    assert layers["conv"].norm == "norm"


def test_one_layer_with_two_norms_is_not_tied():
    net = Called(
        lambda self, x: self.b(self.conv(self.a(self.conv(x)))),
        conv=nn.Conv2d(3, 3, 1),
        a=nn.BatchNorm2d(3),
        b=nn.BatchNorm2d(3),
    )
    assert probe(net, IMAGE).layers["conv"].norm is None


def test_one_norm_for_two_layers_is_not_tied():
    net = Called(
        lambda self, x: self.norm(self.b(self.norm(self.a(x)))),
        a=nn.Conv2d(3, 3, 1),
        b=nn.Conv2d(3, 3, 1),
        norm=nn.BatchNorm2d(3),
    )
    assert [info.norm for info in probe(net, IMAGE).layers.values()] == [None, None]


def test_a_norm_over_tokens_is_not_tied():
    net = seq(nn.Linear(5, 4), nn.BatchNorm1d(4))
    (info,) = probe(net, torch.randn(2, 4, 5)).layers.values()
    assert (info.norm, info.output_ndim) == (None, 3)


# ---- not groupable ----------------------------------------------------------------------------


def test_shared_weights_belong_to_the_layer_called_first():
    late, early = nn.Linear(4, 4), nn.Linear(4, 4)
    late.weight = early.weight
    net = Called(lambda self, x: self.late(self.early(x)), late=late, early=early)
    found = probe(net, torch.randn(2, 4))
    assert list(found.layers) == ["early"]
    assert "'early'" in found.not_groupable["late"]


def test_reasons_against_a_layer():
    shared = nn.Linear(4, 4)
    other = nn.Linear(4, 4)
    other.weight = shared.weight
    computed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
    whole = nn.Linear(4, 4)
    whole.weight = nn.Parameter(torch.zeros(4, 4, dtype=torch.int8), requires_grad=False)
    whole.forward = lambda x: x
    net = Called(
        lambda self, x: self.whole(self.computed(self.other(self.shared(self.up(x).mean((2, 3)))))),
        up=nn.ConvTranspose2d(3, 4, 2),
        shared=shared,
        other=other,
        computed=computed,
        whole=whole,
        unused=nn.Linear(4, 4),
        table=nn.Embedding(3, 4),
        recurrent=nn.LSTM(3, 4),
    )
    found = probe(net, IMAGE)
    assert list(found.layers) == ["shared"]
    words = {
        "up": "transposed",
        "other": "shares its weight with 'shared'",
        "computed": "computed",
        "whole": "int8",
        "unused": "not called",
        "table": "embedding",
        "recurrent": "recurrent",
    }
    assert found.not_groupable.keys() == words.keys()
    for name, word in words.items():
        assert word in found.not_groupable[name]


@pytest.mark.parametrize("norm_first", [False, True])
def test_transformer_layers_are_seen_although_torch_has_a_fast_path(norm_first):
    layer = nn.TransformerEncoderLayer(
        8, 2, 16, batch_first=True, norm_first=norm_first, dropout=0.0
    )
    found = probe(layer, torch.randn(2, 5, 8))
    assert list(found.layers) == ["linear1", "linear2"]
    assert "hooks never fire" in found.not_groupable["self_attn.out_proj"]
    assert "self_attn" in found.not_groupable


# ---- what the network returns -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "returned", "probabilities"),
    [
        ([], True, False),
        ([nn.Dropout()], True, False),
        ([nn.LogSoftmax(1)], True, False),
        ([nn.Unflatten(1, (2, 2))], True, False),
        ([nn.Softmax(1)], False, True),
        ([nn.ReLU()], False, False),
        ([nn.BatchNorm1d(4)], True, False),
    ],
    ids=["nothing", "dropout", "log-softmax", "reshape", "softmax", "relu", "fresh norm"],
)
def test_whether_the_last_layer_is_returned(after, returned, probabilities):
    torch.manual_seed(0)
    found = probe(seq(nn.Linear(3, 4), *after), torch.randn(2, 3))
    assert (found.returns_last, found.returns_probabilities) == (returned, probabilities)


@pytest.mark.parametrize(
    "run",
    [
        lambda self, x: {"logits": self.conv(x)},
        lambda self, x: (self.conv(x), x),
        lambda self, x: self.conv(x).sum(),
        lambda self, x: self.conv(x).flatten(0, 1),
    ],
    ids=["dict", "tuple", "scalar", "wrong batch"],
)
def test_a_network_must_return_one_tensor(run):
    with pytest.raises(KShotValueError, match="must return one tensor"):
        probe(Called(run, conv=nn.Conv2d(3, 3, 1)), IMAGE)


def test_a_forward_that_fails_names_the_shape():
    with pytest.raises(KShotValueError, match=r"shape \(2, 3, 8, 8\)"):
        probe(seq(nn.Conv2d(1, 3, 1)), IMAGE)


# ---- nothing is left behind -------------------------------------------------------------------


def mixed_net(run=lambda self, x: self.norm(self.conv(x))):
    net = Called(run, conv=nn.Conv2d(3, 4, 1), norm=nn.BatchNorm2d(4))
    net.train()
    net.norm.eval()
    net.conv.register_forward_hook(lambda module, args, output: None)
    return net


def test_success_leaves_no_trace():
    net = mixed_net()
    before = state_of(net)
    probe(net, IMAGE)
    same_state(before, state_of(net))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, AttributeError])
def test_failure_leaves_no_trace(error):
    def run(self, x):
        self.conv(x)
        raise error("stop")

    net = mixed_net(run)
    before = state_of(net)
    with pytest.raises(KShotValueError if error is RuntimeError else error):
        probe(net, IMAGE)
    same_state(before, state_of(net))


def test_an_interrupt_while_hooks_are_attached_leaves_no_trace(monkeypatch):
    net = mixed_net()
    before = state_of(net)

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(net.norm, "register_forward_pre_hook", interrupted)
    with pytest.raises(KeyboardInterrupt):
        probe(net, IMAGE)
    monkeypatch.undo()
    same_state(before, state_of(net))


def test_a_network_that_writes_to_its_input_does_not_change_the_example():
    example = -torch.ones(2, 3, 4, 4)
    probe(seq(nn.ReLU(inplace=True), nn.Conv2d(3, 4, 1)), example)
    assert float(example.max()) == -1.0


def test_it_works_inside_inference_mode():
    net = seq(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    with torch.inference_mode():
        assert probe(net, IMAGE).layers["0"].norm == "1"

from __future__ import annotations

import pytest
import torch
from torch import nn

from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.head import Head
from kshot_viz.models.probe import probe

IMAGE = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self, run, **children):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)
        self.run = run

    def forward(self, x):
        return self.run(self, x)


def body():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU())


def logits_of(backbone, example=IMAGE, classes=5):
    fresh = backbone.with_new_head(classes)
    head = fresh.module.get_submodule(fresh.head_name)
    nn.init.normal_(head.linear.weight)
    nn.init.normal_(head.linear.bias)
    return fresh.module(example), head


# ---- the head itself --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((2, 4), 1), ((2, 4, 5), 1), ((2, 5, 4), 2), ((2, 4, 3, 5), 1), ((2, 3, 5, 4), -1)],
)
def test_pooling_averages_all_axes_but_the_features(shape, axis):
    features = torch.randn(shape)
    head = Head(4, 3, axis=axis)
    nn.init.normal_(head.linear.weight)
    flat = features.movedim(axis, 1).reshape(2, 4, -1).mean(2)
    torch.testing.assert_close(head(features), head.linear(flat))


def test_keep_ndim():
    assert Head(4, 3, keep_ndim=True)(torch.rand(2, 4, 5, 5)).shape == (2, 3, 1, 1)


def test_another_number_of_features_is_an_error():
    with pytest.raises(KShotValueError, match="reads 4 features but was given 5"):
        Head(4, 3)(torch.rand(2, 5))


# ---- where it is ------------------------------------------------------------------------------


def test_a_log_softmax_after_the_last_layer_is_no_obstacle():
    net = Net(
        lambda self, x: self.fc(self.body(x).mean((2, 3))).log_softmax(1),
        body=body(),
        fc=nn.Linear(6, 10),
    )
    assert Backbone(net).head_name == "fc"


def test_a_softmax_after_the_last_layer_is_refused():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5), nn.Softmax(1))
    for head in (None, "2"):
        with pytest.raises(KShotValueError, match="softmax"):
            Backbone(net, head=head)
    assert Backbone(net, head="output").feature_dim == 5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_a_softmax_over_many_classes_is_told_in_every_precision(dtype):
    net = nn.Sequential(nn.Flatten(), nn.Linear(432, 1000), nn.Softmax(1)).to(dtype)
    assert probe(net, IMAGE.to(dtype)).returns_probabilities


def test_rectified_logits_that_happen_to_sum_to_one_are_no_softmax():
    net = nn.Sequential(nn.Flatten(), nn.Linear(432, 10, bias=False), nn.ReLU()).double()
    one = IMAGE[:1].double()
    with torch.no_grad():
        net[1].weight /= net(one).sum()
    torch.testing.assert_close(net(one).sum(), torch.ones((), dtype=torch.float64))
    assert not probe(net, one).returns_probabilities


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (lambda self, x: self.pool(self.classifier(self.body(x))).flatten(1), "classifier"),
        (lambda self, x: self.classifier(self.body(x)).mean((2, 3)), "classifier"),
        (lambda self, x: self.classifier(self.body(x)), "output"),
    ],
    ids=["pool module", "mean", "maps are returned"],
)
def test_a_convolutional_classifier(run, expected):
    classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(6, 10, 1), nn.ReLU())
    net = Net(run, body=body(), classifier=classifier, pool=nn.AdaptiveAvgPool2d(1))
    backbone = Backbone(net)
    assert backbone.head_name == expected
    logits, _ = logits_of(backbone)
    assert logits.shape == (2, 5)


def test_a_classifier_inside_a_wrapper():
    inner = nn.Sequential()
    inner.add_module("body", body())
    inner.add_module("classifier", nn.Sequential(nn.Conv2d(6, 10, 1), nn.AdaptiveAvgPool2d(1)))
    net = Net(lambda self, x: self.inner(x).flatten(1), inner=inner)
    assert Backbone(net).head_name == "inner.classifier"


@pytest.mark.parametrize(
    "net",
    [
        body(),
        Net(lambda self, x: self.body(x), body=body()),
        Net(lambda self, x: self.body(x).mean((2, 3)), body=body()),
        Net(lambda self, x: [x := child(x) for child in self.children()][-1], body=body()),
    ],
    ids=["sequential", "module", "pooled", "runs its children"],
)
def test_a_head_is_appended_to_a_network_without_one(net):
    backbone = Backbone(net)
    assert (backbone.head_name, backbone.feature_dim) == ("output", 6)
    logits, head = logits_of(backbone)
    features = net(IMAGE)
    pooled = features.mean((2, 3)) if features.ndim == 4 else features
    torch.testing.assert_close(logits, head.linear(pooled))


def test_features_that_end_in_a_norm_are_no_head():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5), nn.BatchNorm1d(5))
    backbone = Backbone(net)
    assert backbone.head_name == "output"
    assert list(backbone.layers) == ["0", "2"]


def test_a_head_given_by_name():
    net = nn.Sequential(body(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Sequential())
    net[3].extend([nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 5)])
    assert Backbone(net).head_name == "3.2"
    whole = Backbone(net, head="3")
    assert (whole.feature_dim, list(whole.layers)) == (24, ["0.0", "0.2"])
    assert logits_of(whole)[0].shape == (2, 5)


def test_a_norm_inside_the_old_head_is_not_tied():
    net = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 5)))
    assert Backbone(net).layers["0"].norm == "1.0"
    backbone = Backbone(net, head="1").with_new_head(3)
    assert backbone.layers["0"].norm is None
    assert set(backbone.tied_parameters("0")) == {"0.weight", "0.bias"}


def test_an_identity_can_hold_the_place_of_a_head():
    net = Net(lambda self, x: self.fc(self.body(x).mean((2, 3))), body=body(), fc=nn.Identity())
    backbone = Backbone(net, head="fc")
    assert backbone.feature_dim == 6
    assert logits_of(backbone)[0].shape == (2, 5)


def test_a_module_named_output_wins_over_the_word():
    net = Net(
        lambda self, x: self.output(self.body(x).mean((2, 3))), body=body(), output=nn.Linear(6, 9)
    )
    assert Backbone(net, head="output").feature_dim == 6


def test_tokens_are_averaged():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    net = nn.Sequential(nn.Linear(5, 8), layer)
    backbone = Backbone(net, example=torch.randn(2, 7, 5))
    assert (backbone.feature_dim, list(backbone.layers)) == (8, ["0", "1.linear1", "1.linear2"])
    logits, head = logits_of(backbone, torch.randn(2, 7, 5))
    assert logits.shape == (2, 5)
    assert head.axis == 2


def test_signals_are_averaged_over_time():
    net = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Conv1d(4, 6, 3))
    assert Backbone(net, example=torch.randn(2, 2, 6)).feature_dim == 6


def test_channels_last_features():
    net = Net(
        lambda self, x: self.mix(self.conv(x).movedim(1, -1)),
        conv=nn.Conv2d(3, 4, 1),
        mix=nn.Sequential(nn.Linear(4, 6), nn.GELU()),
    )
    assert Backbone(net, example=IMAGE).feature_dim == 6


# ---- what is refused --------------------------------------------------------------------------


def classifier_net():
    return Net(lambda self, x: self.fc(self.body(x).mean((2, 3))), body=body(), fc=nn.Linear(6, 9))


def test_an_unknown_head_lists_the_modules():
    with pytest.raises(KShotKeyError, match=r"'fc'.*'output'"):
        Backbone(classifier_net(), head="fcc")


def test_a_head_in_the_middle_is_refused():
    with pytest.raises(KShotValueError, match="'fc' is called after it"):
        Backbone(classifier_net(), head="body")


def test_a_head_whose_output_is_used_otherwise_is_refused():
    net = Net(
        lambda self, x: self.fc(self.body(x).mean((2, 3)))[:, :2], body=body(), fc=nn.Linear(6, 9)
    )
    with pytest.raises(KShotValueError, match=r"does not give \(N, classes\)"):
        Backbone(net, head="fc")

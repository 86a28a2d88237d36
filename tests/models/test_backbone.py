from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.glyphnet.glyphnet import GlyphNet
from kshot_viz.models.inputs.preprocess import RECIPES, Preprocess


def mlp(*widths, given=6, classes=3):
    parts = []
    for width in widths:
        parts += [nn.Linear(given, width), nn.BatchNorm1d(width), nn.ReLU()]
        given = width
    return nn.Sequential(*parts, nn.Linear(given, classes))


def lenet(side=28):
    """A network that takes images of one size only."""
    flat = 4 * (side // 2) ** 2
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(flat, 8),
        nn.ReLU(),
        nn.Linear(8, 5),
    )


def headless():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3))


def names(module):
    return [name for name, _ in module.named_modules()]


def grey(n=2, side=28):
    return np.random.default_rng(0).integers(0, 256, (n, side, side), dtype=np.uint8)


NETS = {
    "mlp": lambda: Backbone(mlp(5, 4)),
    "glyphnet": lambda: Backbone(GlyphNet(8), head="head", preprocess="glyphs"),
    "lenet": lambda: Backbone(lenet()),
    "headless": lambda: Backbone(headless(), example=torch.rand(2, 3, 12, 12)),
}


@pytest.fixture(params=NETS)
def backbone(request):
    return NETS[request.param]()


# ---- laws -------------------------------------------------------------------------------------


def test_a_new_head_keeps_all_other_names(backbone):
    fresh = backbone.with_new_head(7)
    outside = [n for n in names(backbone.module) if n.split(".")[0] != backbone.head_name]
    assert [n for n in names(fresh.module) if n.split(".")[0] != fresh.head_name] == outside
    before, after = backbone.module.state_dict(), fresh.module.state_dict()
    body = [k for k in before if k.rpartition(".")[0] in outside]
    assert body
    assert all(torch.equal(before[k], after[k]) for k in body)
    assert (fresh.layers, fresh.last_block) == (backbone.layers, backbone.last_block)


@pytest.mark.parametrize("n_classes", [2, 5, 11])
def test_a_zero_head_gives_zero_logits(backbone, n_classes):
    fresh = backbone.with_new_head(np.int64(n_classes))
    example = torch.rand(3, *backbone.input_shape)
    logits = fresh.module(example)
    assert torch.equal(logits, torch.zeros(3, n_classes))
    assert not fresh.module.training


def test_a_new_head_can_be_replaced_again(backbone):
    twice = backbone.with_new_head(4).with_new_head(6)
    example = torch.rand(2, *backbone.input_shape)
    assert twice.module(example).shape == (2, 6)
    assert len(twice.module._forward_hooks) <= 1


def test_tied_parameters_have_one_row_per_neuron(backbone):
    known = dict(backbone.module.named_parameters())
    for name, info in backbone.layers.items():
        tied = backbone.tied_parameters(name)
        assert f"{name}.weight" in tied
        assert all(len(parameter) == info.width for parameter in tied.values())
        assert all(known[key] is parameter for key, parameter in tied.items())


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(2, 5))
def test_any_mlp(widths, classes):
    backbone = Backbone(mlp(*widths, classes=classes))
    assert backbone.head_name == str(3 * len(widths))
    assert backbone.feature_dim == widths[-1]
    assert [info.width for info in backbone.layers.values()] == widths
    assert set(backbone.tied_parameters("0")) == {"0.weight", "0.bias", "1.weight", "1.bias"}


def test_copies_and_pickles_behave_the_same(backbone):
    fresh = backbone.with_new_head(3)
    nn.init.ones_(next(p for n, p in fresh.module.named_parameters() if n.endswith("linear.bias")))
    example = torch.rand(2, *backbone.input_shape)
    for other in (copy.deepcopy(fresh), pickle.loads(pickle.dumps(fresh))):
        assert torch.equal(other.module(example), fresh.module(example))
        assert other.fingerprint == fresh.fingerprint
        assert (other.layers, other.head_name) == (fresh.layers, fresh.head_name)
        assert other.preprocess == fresh.preprocess


# ---- the caller's module ----------------------------------------------------------------------


def test_the_callers_module_is_never_changed():
    net = mlp(5).train()
    net(torch.randn(4, 6)).sum().backward()
    before = copy.deepcopy(net.state_dict())
    backbone = Backbone(net)
    tuned = backbone.with_new_head(4)
    for parameter in tuned.module.parameters():
        nn.init.constant_(parameter, 3.0)
    assert net.training
    assert net[0].weight.grad is not None
    assert backbone.module[0].weight.grad is None
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert all(torch.equal(v, before[k]) for k, v in backbone.module.state_dict().items())
    assert names(net) == names(mlp(5))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_callers_module_as_it_was(error):
    class Failing(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            self.layer(x)
            raise error("stop")

    net = Failing().train()
    with pytest.raises(KShotValueError if error is RuntimeError else error):
        Backbone(net)
    assert net.training
    assert net.layer.training
    assert not net.layer._forward_hooks
    assert not net.layer._forward_pre_hooks


def test_the_private_copy_is_in_eval_mode_and_the_trials_leave_no_trace(backbone):
    assert not any(m.training for m in backbone.module.modules())
    assert "kshot_head" not in names(backbone.module)
    assert not backbone.module._forward_hooks
    assert not any(m._forward_pre_hooks for m in backbone.module.modules())


def test_no_random_number_is_drawn():
    net = mlp(5)
    state = torch.random.get_rng_state()
    Backbone(net).with_new_head(4)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_prepare_restores_the_modes():
    backbone = Backbone(headless())
    backbone.module.train()
    backbone.module[1].eval()
    backbone.prepare(torch.rand(2, 3, 17, 19))
    assert [m.training for m in backbone.module] == [True, False, True, True]


# ---- names ------------------------------------------------------------------------------------


def test_a_layer_that_does_not_exist_lists_the_valid_ones():
    backbone = Backbone(mlp(5, 4))
    assert backbone.layer("3").width == 4
    with pytest.raises(KShotKeyError, match=r"`layer` must be one of '0', '3'; not '7'"):
        backbone.layer("7")
    with pytest.raises(KShotKeyError, match="'6'"):
        backbone.tied_parameters("6")  # the head is no layer


def test_a_layer_that_cannot_be_grouped_says_why():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 4, 2), nn.Flatten(), nn.LazyLinear(3)
    )
    net(torch.rand(1, 3, 8, 8))
    backbone = Backbone(net, example=torch.rand(2, 3, 8, 8))
    assert list(backbone.layers) == ["0"]
    with pytest.raises(KShotValueError, match="transposed"):
        backbone.layer("1")


def test_last_block_and_its_parameters():
    glyphnet = NETS["glyphnet"]()
    assert glyphnet.last_block == "blocks.3"
    assert glyphnet.block_parameters() == {
        f"blocks.3.{name}" for name in ("conv.weight", "norm.weight", "norm.bias")
    }
    flat = Backbone(mlp(5, 4))
    assert flat.last_block == "3"
    assert flat.block_parameters() == {"3.weight", "3.bias", "4.weight", "4.bias"}


def test_head_parameters():
    fresh = NETS["headless"]().with_new_head(3)
    assert fresh.head_name == "kshot_head"
    assert fresh.head_parameters() == {"kshot_head.linear.weight", "kshot_head.linear.bias"}
    assert NETS["headless"]().head_parameters() == set()
    assert Backbone(mlp(5)).head_parameters() == {"3.weight", "3.bias"}


def test_fingerprint_follows_the_weights():
    backbone = Backbone(mlp(5))
    first = backbone.fingerprint
    assert first == Backbone(backbone.module).fingerprint
    with torch.no_grad():
        backbone.module[1].running_mean[0] += 1
    assert backbone.fingerprint != first


# ---- images -----------------------------------------------------------------------------------


def test_prepare_applies_the_preprocess_exactly_once():
    calls = []

    def half(batch):
        calls.append(len(batch))
        return batch / 2

    backbone = Backbone(lenet(), preprocess=half)
    out = backbone.prepare(torch.ones(3, 1, 28, 28))
    assert calls == [3]
    assert torch.equal(out, torch.full((3, 1, 28, 28), 0.5))


def test_prepare_takes_every_form_of_images():
    backbone = NETS["glyphnet"]()
    pixels = grey()
    expected = torch.from_numpy(pixels)[:, None] / 255
    pil = [Image.fromarray(image) for image in pixels]
    for images in (pixels, pixels[..., None], expected, pil, expected.double()):
        torch.testing.assert_close(backbone.prepare(images), expected)


def test_prepare_gives_the_type_of_the_network():
    backbone = Backbone(mlp(5)).to(torch.float64)
    assert backbone.prepare(np.zeros((2, 6), dtype=np.float32)).dtype == torch.float64
    assert Backbone(mlp(5)).prepare(np.zeros((2, 6))).dtype == torch.float32


def test_to_returns_a_copy():
    backbone = Backbone(mlp(5))
    double = backbone.to(torch.float64)
    assert double.module[0].weight.dtype == torch.float64
    assert backbone.module[0].weight.dtype == torch.float32
    assert double.with_new_head(3).module(torch.zeros(2, 6).double()).dtype == torch.float64


def test_too_small_an_image_names_both_sizes():
    backbone = Backbone(nn.Sequential(nn.Conv2d(1, 2, 11), nn.MaxPool2d(3), nn.Conv2d(2, 3, 2)))
    with pytest.raises(KShotValueError, match=r"9x9 px is too small.*16x16 px"):
        backbone.prepare(grey(side=9))
    assert backbone.prepare(grey(side=16)).shape == (2, 1, 16, 16)
    with pytest.raises(KShotValueError, match=r"6x6 px is too small.*16x16 px"):
        Backbone(backbone.module, preprocess=Preprocess(size=6, channels="L"))


def test_another_number_of_channels_says_what_was_taken():
    backbone = Backbone(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 3, 2)))
    with pytest.raises(KShotValueError, match=r"\(1, 1, 9, 9\).*it took \(N, 3, 224, 224\)"):
        backbone.prepare(grey(side=9))


def test_an_image_of_another_size_than_the_only_one():
    with pytest.raises(KShotValueError, match=r"32x32 px does not fit.*28x28 px.*size=28"):
        Backbone(lenet()).prepare(grey(side=32))


def test_a_network_that_writes_to_its_input_leaves_the_batch_alone():
    backbone = Backbone(nn.Sequential(nn.Threshold(2.0, 9.0, inplace=True), nn.Conv2d(1, 2, 1)))
    batch = backbone.prepare(grey(side=5))
    assert float(batch.max()) <= 1.0


# ---- what the constructor takes ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (mlp(4, given=7), (7,)),
        (nn.Sequential(nn.Conv1d(2, 3, 5), nn.Conv1d(3, 4, 5)), (2, 224)),
        (nn.Sequential(nn.Conv2d(2, 3, 5), nn.Conv2d(3, 4, 5)), (2, 224, 224)),
        (nn.Sequential(nn.Conv3d(1, 2, 3, stride=4), nn.Conv3d(2, 3, 1)), (1, 16, 224, 224)),
        (lenet(28), (1, 28, 28)),
        (lenet(32), (1, 32, 32)),
    ],
    ids=["rows", "1d", "2d", "3d", "28 px", "32 px"],
)
def test_an_input_is_guessed(net, shape):
    assert Backbone(net).input_shape == shape


def test_the_preprocess_tells_the_input():
    backbone = Backbone(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)), preprocess="imagenet"
    )
    assert backbone.input_shape == (3, 224, 224)
    assert backbone.preprocess is RECIPES["imagenet"]
    unsized = Backbone(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)), preprocess="unit")
    assert unsized.input_shape == (3, 224, 224)


def test_an_input_that_cannot_be_guessed_is_asked_for():
    net = lenet(30)
    with pytest.raises(KShotValueError, match="example="):
        Backbone(net)
    assert Backbone(net, example=torch.rand(1, 1, 30, 30)).head_name == "6"


def test_what_is_no_network():
    with pytest.raises(KShotValueError, match=r"torch\.nn\.Module"):
        Backbone(lambda x: x)
    with pytest.raises(KShotValueError, match="lazy"):
        Backbone(nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 2)))
    with pytest.raises(KShotValueError, match="example="):
        Backbone(nn.Sequential(nn.ReLU()))
    with pytest.raises(KShotValueError, match="besides its head"):
        Backbone(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))


def test_a_network_that_cannot_be_copied():
    net = mlp(4)
    net.register_buffer("result", torch.ones(1, requires_grad=True) * 2, persistent=False)
    with pytest.raises(KShotValueError, match="cannot be copied"):
        Backbone(net)


def test_wrappers_are_taken_off():
    assert list(Backbone(nn.DataParallel(mlp(4))).layers) == ["0"]


@pytest.mark.parametrize("n_classes", [1, 0, -3, 2.0, True, None])
def test_n_classes_is_checked(n_classes):
    with pytest.raises(KShotValueError, match="`n_classes`"):
        Backbone(mlp(4)).with_new_head(n_classes)


def test_what_is_shown():
    backbone = Backbone(mlp(5, 4), name="<b>net</b>")
    assert repr(backbone).startswith("Backbone('<b>net</b>', 92 parameters, 2 layers, head='6'")
    html = backbone._repr_html_()
    assert "&lt;b&gt;net&lt;/b&gt;" in html
    assert "<b>net" not in html
    assert html.count("<tr>") == 3
    assert Backbone(mlp(5)).name == "Sequential"


def test_weights_that_are_not_finite_are_named():
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))
    example = torch.rand(2, 1, 4, 4)
    module[3].weight.data.fill_(float("nan"))
    assert Backbone(module, head="3", example=example).head_name == "3"
    module[0].weight.data[0, 0, 0, 0] = float("inf")
    module[1].running_var[1] = float("nan")
    with pytest.raises(KShotValueError, match=r"NaN or infinite: 0\.weight, 1\.running_var\."):
        Backbone(module, head="3", example=example)


def test_a_mask_of_infinities_is_no_broken_weight():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mask", torch.full((4, 4), float("-inf")).triu(1))
            self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.body(x) + self.mask[0].exp())

    assert Backbone(Masked(), head="head", example=torch.rand(2, 4)).layers

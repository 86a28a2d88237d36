"""What is recorded is what a layer gave, and the network is left as it was."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import toy_backbone, toy_data
from torch import Tensor, nn

from kshot_viz.activations import capture_activations
from kshot_viz.errors import KShotError
from kshot_viz.finetune.loop import finetune
from kshot_viz.models.backbone import Backbone


class Plain(nn.Module):
    """A body and a linear head over the mean of all positions."""

    def __init__(self, *body: nn.Module, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(features, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).flatten(2).mean(dim=2))


def backbone_of(net: nn.Module, *shape: int) -> Backbone:
    return Backbone(net, head="head", example=torch.rand(2, *(shape or (1, 8, 8))))


def pictures(n: int = 5, *, size: int = 8, seed: int = 0) -> Tensor:
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(seed))


def rows_of(output: Tensor) -> np.ndarray:
    """(images, neurons, *space) -> (neurons, images * positions)."""
    return output.detach().flatten(2).transpose(0, 1).flatten(1).numpy()


# -- what is recorded -----------------------------------------------------------------------------


def test_the_output_before_batch_norm_and_an_in_place_relu():
    convs = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 3, 3)
    # Whatever the weights are, some outputs are negative before the ReLU.
    nn.init.constant_(convs[1].bias, -1.0)
    norm = nn.BatchNorm2d(4).eval()
    norm.running_mean.fill_(0.3)
    body = convs[0], norm, nn.ReLU(inplace=True), convs[1], nn.ReLU(inplace=True)
    images = pictures()
    acts = capture_activations(backbone_of(Plain(*body, features=3)), images, pool="none")
    first = convs[0](images)
    np.testing.assert_allclose(acts["body.0"], rows_of(first), atol=1e-6)
    second = convs[1](torch.relu(norm(first)))
    np.testing.assert_allclose(acts["body.3"], rows_of(second), atol=1e-6)
    assert (acts["body.3"] < 0).any()


@pytest.mark.parametrize("batch_size", [2, 64])
def test_a_module_called_twice_keeps_both_outputs(batch_size):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 1, 3), nn.Linear(1, 2)

        def forward(self, x):
            return self.head(self.conv(torch.relu_(self.conv(x))).mean(dim=(2, 3)))

    net, images = Twice(), pictures()
    acts = capture_activations(backbone_of(net), images, pool="none", batch_size=batch_size)
    first = net.conv(images).detach()
    second = net.conv(torch.relu(first)).detach()
    expected = torch.cat([first.flatten(2), second.flatten(2)], dim=2)
    np.testing.assert_allclose(acts["conv"], rows_of(expected), atol=1e-6)


class Tokens(nn.Module):
    """Rows of the image are tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 6)
        self.block = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.embed(x[:, 0])).mean(dim=1))


def test_tokens_of_a_transformer():
    net, images = Tokens().eval(), pictures()
    acts = capture_activations(backbone_of(net), images)
    assert list(acts) == ["embed", "block.linear1", "block.linear2"]
    tokens = net.embed(images[:, 0]).detach()
    np.testing.assert_allclose(acts["embed"], tokens.mean(dim=1).T, atol=1e-6)
    whole = capture_activations(backbone_of(net), images, pool="none")
    np.testing.assert_allclose(whole["embed"], rows_of(tokens.mT), atol=1e-6)
    assert whole["block.linear1"].shape == (12, 5 * 8)


@pytest.mark.parametrize("dims", [1, 3])
def test_convolutions_of_other_dimensions(dims):
    conv = {1: nn.Conv1d, 3: nn.Conv3d}[dims](1, 4, 3, padding=1)
    shape = {1: nn.Flatten(2), 3: nn.Unflatten(2, (2, 4))}[dims]
    images = pictures()
    backbone = backbone_of(Plain(shape, conv, features=4))
    acts = capture_activations(backbone, images, pool="none")
    np.testing.assert_allclose(acts["body.1"], rows_of(conv(shape(images))), atol=1e-6)
    grid = {1: 4, 3: 2 * 4 * 4}[dims]
    assert capture_activations(backbone, images)["body.1"].shape == (4, 5 * grid)


def test_a_map_smaller_than_the_grid_is_kept_whole():
    conv = nn.Conv2d(1, 3, 6)
    images = pictures()
    acts = capture_activations(backbone_of(Plain(conv, features=3)), images, grid=4)
    np.testing.assert_allclose(acts["body.0"], rows_of(conv(images)), atol=1e-6)


def test_a_subclass_by_any_name_is_a_convolution():
    class Standardised(nn.Conv2d):
        pass

    conv = Standardised(1, 3, 3)
    images = pictures()
    acts = capture_activations(backbone_of(Plain(conv, features=3)), images, pool="none")
    np.testing.assert_allclose(acts["body.0"], rows_of(conv(images)), atol=1e-6)


def test_windows_that_a_network_treats_as_images_of_their_own():
    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 3, 3), nn.Linear(3, 2)

        def forward(self, x):
            halves = x.unflatten(2, (2, -1)).movedim(2, 1).flatten(0, 1)
            return self.head(self.conv(halves).unflatten(0, (-1, 2)).mean(dim=(1, 3, 4)))

    net, images = Windows(), pictures()
    acts = capture_activations(backbone_of(net), images, pool="none", batch_size=2)
    maps = torch.cat([net.conv(images[:, :, :4]), net.conv(images[:, :, 4:])], dim=2)
    np.testing.assert_allclose(acts["conv"], rows_of(maps), atol=1e-6)


def test_rows_of_features_are_images_too():
    net = nn.Sequential()
    net.add_module("body", nn.Linear(4, 6))
    net.add_module("head", nn.Linear(6, 2))
    rows = torch.randn(7, 4)
    acts = capture_activations(Backbone(net, head="head", example=rows[:2]), rows)
    np.testing.assert_allclose(acts["body"], net.body(rows).detach().T, atol=1e-6)


# -- what does not matter -------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(1, 12), st.sampled_from(["grid", "mean", "max", "none"]))
def test_the_batch_size_does_not_matter(n_images, batch_size, pool):
    backbone, images = toy_backbone(), pictures(n_images)
    whole = capture_activations(backbone, images, pool=pool)
    parts = capture_activations(backbone, images, pool=pool, batch_size=batch_size)
    for name in whole:
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-5, atol=1e-6)
        assert parts.layer(name).n_features == whole.layer(name).n_features
    assert parts.n_images == n_images


@pytest.mark.parametrize("size", [8, 13])
def test_the_form_of_the_images_does_not_matter(size):
    """Neither does it if they are larger than the image of the probing pass."""
    data = toy_data(3, 3, size=size)
    nchw = torch.from_numpy(data.images).permute(0, 3, 1, 2) / 255
    twin = toy_backbone().module.conv(nchw)
    for images in (data, data.images, nchw, list(nchw)):
        acts = capture_activations(toy_backbone(), images, pool="none")
        np.testing.assert_allclose(acts["conv"], rows_of(twin), atol=1e-6)


@given(st.integers(1, 9), st.sampled_from(["grid", "mean", "none"]))
def test_inner_products_have_the_same_distances(n_images, pool):
    backbone, images = toy_backbone(), pictures(n_images + 1)
    whole = capture_activations(backbone, images, pool=pool)
    cap = sum(8 * layer.width * (layer.width + 1) for layer in whole.layers.values())
    small = capture_activations(backbone, images, pool=pool, max_memory=cap, batch_size=4)
    for name, layer in whole.layers.items():
        other = small.layer(name)
        scale = np.abs(layer.compact).max()
        near = {"rtol": 1e-5, "atol": 1e-6 * scale}
        np.testing.assert_allclose(other.distances(), layer.distances(), **near)
        np.testing.assert_allclose(other.correlation(), layer.correlation(), atol=1e-5)
        np.testing.assert_allclose(other.mean, layer.mean, **near)
        np.testing.assert_allclose(other.std, layer.std, **near)
        np.testing.assert_array_equal(other.dead, layer.dead)
    if pool != "mean":
        assert {layer.form for layer in small.layers.values()} == {"inner_products"}


def test_a_cap_that_is_too_small_stops_before_the_rest_is_run():
    seen = []
    backbone = toy_backbone()
    backbone.module.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    with pytest.raises(KShotError, match="`max_memory` must be at least"):
        capture_activations(backbone, pictures(40), max_memory=100)
    assert seen == [1]


# -- what can be chosen ---------------------------------------------------------------------------


def test_layers_come_in_the_order_asked_for_and_once():
    acts = capture_activations(toy_backbone(), pictures(), layers=["deep", "conv", "deep"])
    assert list(acts) == ["deep", "conv"]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["cnv"], r"'conv', 'deep'; not 'cnv'. Did you mean 'conv'.*backbone.layers"),
        (["head"], "must be one of 'conv', 'deep'"),
        ("conv", r"wrap it: \['conv'\]"),
    ],
)
def test_wrong_layers(layers, message):
    with pytest.raises(KShotError, match=message):
        capture_activations(toy_backbone(), pictures(), layers=layers)


def test_the_forward_pass_may_be_more_or_less_precise():
    backbone, images = toy_backbone(), pictures()
    twin = copy.deepcopy(backbone.module).double().conv(images.double())
    exact = capture_activations(backbone, images, pool="none", dtype=torch.float64)
    assert exact["conv"].dtype == np.float32
    np.testing.assert_array_equal(exact["conv"], rows_of(twin.float()))
    rough = capture_activations(backbone, images, pool="none", dtype=torch.bfloat16)
    np.testing.assert_allclose(rough["conv"], exact["conv"], atol=0.02)
    assert not np.array_equal(rough["conv"], exact["conv"])
    assert next(backbone.module.parameters()).dtype == torch.float32


def test_the_device_is_where_a_copy_runs():
    backbone, images = toy_backbone(), pictures()
    seen = []
    backbone.module.register_forward_pre_hook(lambda module, args: seen.append(module))
    there = capture_activations(backbone, images, device="cpu")
    assert seen
    assert backbone.module not in seen
    np.testing.assert_array_equal(there["deep"], capture_activations(backbone, images)["deep"])


def test_progress_is_shown_only_when_asked_for(capfd):
    capture_activations(toy_backbone(), pictures())
    assert capfd.readouterr() == ("", "")
    capture_activations(toy_backbone(), pictures(), progress=True, batch_size=2)
    out, error = capfd.readouterr()
    assert out == ""
    assert "capture" in error
    assert "3/3" in error


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"pool": "gird"}, "`pool` must be one of .*Did you mean 'grid'"),
        ({"grid": 0}, "`grid` must be an integer >= 1; not 0"),
        ({"batch_size": 0}, "`batch_size` must be an integer >= 1; not 0"),
        ({"dtype": torch.int64}, "`dtype` must be a floating point torch.dtype; not torch.int64"),
        ({"dtype": "float32"}, "`dtype` must be a floating point torch.dtype; not 'float32'"),
    ],
)
def test_wrong_settings(request_, message):
    with pytest.raises(KShotError, match=message):
        capture_activations(toy_backbone(), pictures(), **request_)


# -- images and networks that will not do ---------------------------------------------------------


@pytest.mark.parametrize("images", [torch.rand(0, 1, 8, 8), np.zeros((0, 8, 8, 1), np.uint8), []])
def test_an_empty_batch(images):
    with pytest.raises(KShotError, match="`images` is an empty batch"):
        capture_activations(toy_backbone(), images)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_bad_neuron_is_named(value):
    backbone = toy_backbone()
    with torch.no_grad():
        backbone.module.deep.bias[3] = value
    with pytest.raises(KShotError, match=r"Layer 'deep' .* 1 of 8 neurons \(3\).*weights"):
        capture_activations(backbone, pictures())


def test_constant_images_leave_dead_neurons():
    acts = capture_activations(toy_backbone(), torch.full((4, 1, 8, 8), 0.5), pool="mean")
    for layer in acts.layers.values():
        assert layer.dead.all()
        np.testing.assert_allclose(layer.std, 0.0, atol=1e-6)


def test_images_of_several_sizes_must_give_the_same_number_of_features():
    sizes = [torch.rand(1, 8, 8), torch.rand(1, 9, 9)]
    acts = capture_activations(toy_backbone(), sizes, pool="mean", batch_size=1)
    assert acts["conv"].shape == (6, 2)
    with pytest.raises(KShotError, match=r"Layer 'conv' gave 1 x 81 .*bring all images to one"):
        capture_activations(toy_backbone(), sizes, pool="none", batch_size=1)


def test_a_first_axis_that_does_not_count_images():
    class TokensFirst(Tokens):
        def forward(self, x):
            return self.head(self.embed(x[:, 0].transpose(0, 1)).mean(dim=0))

    backbone = backbone_of(TokensFirst())
    with pytest.raises(KShotError, match=r"Layer 'embed' .* first axis .* must count images"):
        capture_activations(backbone, pictures(9))


def test_a_layer_that_runs_more_often_for_some_images():
    class Moody(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 1, 3, padding=1), nn.Linear(1, 2)

        def forward(self, x):
            for _ in range(1 if x.mean() < 0.5 else 2):
                x = self.conv(x)
            return self.head(x.mean(dim=(2, 3)))

    backbone = backbone_of(Moody())
    dark, light = torch.zeros(1, 1, 8, 8), torch.ones(3, 1, 8, 8)
    with pytest.raises(KShotError, match="Layer 'conv' ran more than 1 times"):
        capture_activations(backbone, torch.cat([dark, light]))
    with pytest.raises(KShotError, match="Layer 'conv' ran 1 times instead of 2"):
        capture_activations(backbone, torch.cat([light, dark.expand(9, 1, 8, 8)]))


def test_a_layer_that_does_not_run_at_all():
    class Skips(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.extra = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 1)
            self.head = nn.Linear(3, 2)

        def forward(self, x):
            x = self.body(x) if x.shape[-1] < 9 else self.extra(self.body(x))
            return self.head(x.mean(dim=(2, 3)))

    backbone = backbone_of(Skips(), 1, 9, 9)
    with pytest.raises(KShotError, match="Layer 'extra' did not run for these images"):
        capture_activations(backbone, pictures(size=8))
    assert list(capture_activations(backbone, pictures(size=8), layers=["body"])) == ["body"]


# -- law 8: everything is left as it was ----------------------------------------------------------


def state(backbone: Backbone) -> list[tuple[object, ...]]:
    return [
        (name, m.training, len(m._forward_hooks), len(m._forward_pre_hooks), m._buffers.keys())
        for name, m in backbone.module.named_modules()
    ]


class Bomb:
    """Raises at the given call of a module's forward."""

    def __init__(self, error: type[BaseException], at: int, forward) -> None:
        self.error, self.left, self.forward = error, at, forward

    def __call__(self, *args):
        self.left -= 1
        if self.left < 0:
            raise self.error("boom")
        return self.forward(*args)


@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, None])
def test_hooks_and_modes_are_restored(error, at, monkeypatch):
    backbone = toy_backbone()
    backbone.module.train()
    backbone.module.norm.eval()
    backbone.module.conv.weight.requires_grad_(False)
    before, fingerprint = state(backbone), backbone.fingerprint
    if error is None:
        capture_activations(backbone, pictures(8), batch_size=2)
    else:
        bomb = Bomb(error, at, backbone.module.deep.forward)
        monkeypatch.setattr(backbone.module.deep, "forward", bomb)
        with pytest.raises(error, match="boom"):
            capture_activations(backbone, pictures(8), batch_size=2)
    assert state(backbone) == before
    assert backbone.fingerprint == fingerprint
    assert not backbone.module.conv.weight.requires_grad
    assert backbone.module.deep.weight.requires_grad
    assert torch.is_grad_enabled()


def test_the_callers_images_are_untouched():
    class Writes(nn.Module):
        def forward(self, x):
            return x.sub_(0.5)

    images = pictures()
    before = images.clone()
    acts = capture_activations(
        backbone_of(Plain(Writes(), nn.Conv2d(1, 3, 3), features=3)), images, pool="none"
    )
    assert torch.equal(images, before)
    assert acts["body.1"].shape == (3, 5 * 36)


def test_what_a_network_keeps_of_a_pass_can_still_be_trained_through():
    class Remembers(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head, self.kept = nn.Conv2d(1, 3, 3), nn.Linear(3, 2), None

        def forward(self, x):
            if self.kept is None or len(self.kept) != len(x):
                self.kept = torch.linspace(0, 1, len(x)).view(-1, 1, 1, 1)
            return self.head((self.body(x) * self.kept).mean(dim=(2, 3)))

    backbone, data = backbone_of(Remembers()), toy_data(2, 4)
    capture_activations(backbone, data)
    kept = backbone.module.kept
    support = data.take(range(len(kept)))
    assert not kept.is_inference()
    assert finetune(backbone, support, method="plain").status == "ok"

"""Whose rows are whose: tokens in any layout give the same numbers, and what has none is named."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data
from torch import nn

import kshot_viz as kv
from kshot_viz import viz
from kshot_viz.analysis import alignment
from kshot_viz.analysis.alignment.maps import batch_signals, linear_maps
from kshot_viz.analysis.alignment.rows import groupings
from kshot_viz.analysis.dynamics.gradients import gradient_sums
from kshot_viz.errors import KShotValueError

DATA = toy_data(per_class=8)
QUICK: dict[str, Any] = {"rotations": 1, "resamples": 0}
# The rows of an image are its tokens: eight, as many as images in the small batch below.
LAYOUTS = ("N, T", "N*T", "T, N", "T*N", "N, 2, 4")


class Layout(nn.Module):
    """One function of rows of pixels, whose linear layers see them in one of several layouts."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layout = layout
        self.embed, self.mix, self.head = nn.Linear(8, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = images.flatten(1, 2)
        n, t = rows.shape[:2]
        if self.layout.startswith("T"):
            rows = rows.transpose(0, 1)
        shape = {"N*T": (n * t,), "T*N": (t * n,), "N, 2, 4": (n, 2, 4)}.get(self.layout)
        seen = rows if shape is None else rows.reshape(*shape, 8)
        seen = self.mix(torch.tanh(self.embed(seen))).reshape(*rows.shape[:2], 6)
        return self.head(torch.tanh(seen).mean(dim=0 if self.layout.startswith("T") else 1))


def backbone(net: nn.Module) -> kv.Backbone:
    return kv.Backbone(net, head="head", example=torch.rand(2, 1, 8, 8))


def signals(layout: str, images: int) -> dict[str, Any]:
    torch.manual_seed(1)
    inputs = torch.rand(images, 1, 8, 8)
    return batch_signals(Layout(layout), ["embed", "mix"], inputs, torch.arange(images) % 3)


@pytest.mark.parametrize("images", [1, 5, 8])
@pytest.mark.parametrize("layout", LAYOUTS[1:])
def test_every_layout_gives_the_rows_of_each_image(layout, images):
    found, expected = signals(layout, images), signals("N, T", images)
    for name, pair in expected.items():
        for one, other in zip(found[name], pair, strict=True):
            assert one.shape[:2] == (images, 8)
            assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS[1:])
def test_every_layout_gives_the_same_relations_and_gradients(layout):
    found, expected = (
        alignment(backbone(Layout(one)), DATA, positions=5, **QUICK) for one in (layout, "N, T")
    )
    names = ["value", "untrained", "rotated"]
    assert list(found.frame()["layer"]) == list(expected.frame()["layer"])
    assert np.allclose(found.frame()[names], expected.frame()[names], atol=1e-4)
    sums = [
        gradient_sums(
            one := backbone(Layout(which)), ["embed", "mix"], one.prepare(DATA),
            torch.from_numpy(DATA.targets),
        )
        for which in (layout, "N, T")
    ]  # fmt: skip
    for name in ("embed", "mix"):
        assert sums[0][name].agreement() == pytest.approx(sums[1][name].agreement(), rel=1e-4)


def test_convolutions_of_several_crops_belong_to_their_image():
    class Crops(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.head = nn.Conv2d(1, 3, 3), nn.Linear(3, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            crops = images.unfold(3, 4, 4).permute(0, 3, 1, 2, 4).flatten(0, 1)
            return self.head(self.conv(crops).mean(dim=(2, 3)).unflatten(0, (-1, 2)).mean(dim=1))

    net, inputs, targets = Crops(), torch.rand(5, 1, 8, 8), torch.arange(5) % 3
    given, back = batch_signals(net, ["conv"], inputs, targets)["conv"]
    alone = batch_signals(net, ["conv"], inputs[3:4], targets[3:4])["conv"]
    assert given.shape[:2] == back.shape[:2]
    assert torch.allclose(given[3], alone[0][0], atol=1e-6)
    assert torch.allclose(back[3], alone[1][0], atol=1e-6)


def test_orders_of_rows():
    assert groupings((4,), 4) == [1]
    assert groupings((4, 4), 4) == [1, 4]
    assert groupings((12, 4), 4) == [1, 12, 3]
    assert groupings((7, 4), 4) == [7]
    assert groupings((7,), 4) == groupings((), 4) == []


class Odd(nn.Module):
    """Beside a plain layer one that sees no rows of images, and one that runs without gradients."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.queries = nn.Parameter(torch.rand(8, 8))
        self.shared, self.frozen = nn.Linear(8, 8), nn.Linear(8, 8)
        self.plain, self.head = nn.Linear(8, 6), nn.Linear(6, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = images.flatten(1, 2)
        with torch.no_grad():
            rows = rows + self.frozen(rows)
        return self.head(self.plain(rows + self.shared(self.queries)).mean(dim=1))


def test_layers_without_rows_of_images_or_gradients_are_left_out_or_refused_by_name():
    found = alignment(backbone(Odd()), DATA, positions=4, **QUICK)
    assert set(found.frame()["layer"]) == {"plain", "head"}
    assert found.left_out["frozen"] == "it runs without gradients"
    assert "8x8, cannot be matched to images" in found.left_out["shared"]
    for name, why in (("frozen", "without gradients"), ("shared", "matched to images")):
        with pytest.raises(KShotValueError, match=f"'{name}' cannot be measured.*{why}"):
            alignment(backbone(Odd()), DATA, layers=["plain", name], **QUICK)


def test_a_network_without_any_gradient_has_nothing_to_measure():
    class Closed(Odd):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return super().forward(images)

    assert batch_signals(Closed(), ["plain"], torch.rand(4, 1, 8, 8), torch.arange(4) % 3) == {}
    with pytest.raises(KShotValueError, match=r"No linear map is left .*without gradients"):
        alignment(backbone(Closed()), DATA, **QUICK)


def test_words_about_padding_are_true():
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, 3, padding="same"),
    )  # fmt: skip
    left_out = linear_maps(net, None)[1]
    assert left_out["1"] == "it pads with other values than zeros (padding_mode='reflect')"
    assert left_out["2"] == "its padding is given by name (padding='same')"


# ---- weights that are zero, NaN or infinite ------------------------------------------------------


@pytest.fixture
def strict():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.usefixtures("strict")
def test_a_layer_of_zeros_has_no_exponents():
    network = toy_backbone()
    with torch.no_grad():
        network.module.deep.weight.zero_()
    found = alignment(network, DATA, positions=4, rotations=1, resamples=5)
    fits = found.exponents().query("layer == 'deep'")
    assert (fits["directions"] == 0).all()
    assert fits["exponent"].isna().all()
    assert set(fits["phase"]) == {""}
    assert viz.plot_alignment(found)


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(value):
    network = toy_backbone()
    with torch.no_grad():
        network.module.deep.weight[0] = value
    with pytest.raises(KShotValueError, match=r"^Layer 'deep' has weights that are NaN"):
        alignment(network, DATA, **QUICK)


@pytest.mark.usefixtures("strict")
def test_outputs_that_are_not_finite_are_named():
    network = toy_backbone()
    network.module.norm.running_var.fill_(float("nan"))
    with pytest.raises(KShotValueError, match=r"^Layer 'norm' has outputs that are NaN"):
        alignment(network, DATA, **QUICK)


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("layers", [None, ["embed"], ["mix"]])
@pytest.mark.parametrize("layout", ["N, T", "N*T"])
def test_a_network_with_a_head_is_checked_too(layers, layout):
    network = backbone(Layout(layout))
    with torch.no_grad():
        network.module.mix.weight.fill_(float("nan"))
    with pytest.raises(KShotValueError, match=r"^Layer 'mix' has weights that are NaN"):
        alignment(network, DATA, layers=layers, **QUICK)


@pytest.mark.usefixtures("strict")
def test_gradients_that_are_not_finite_are_named():
    class Root(Layout):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen = self.embed(images.flatten(1, 2)).mean(dim=1)
            return self.head(torch.sqrt(seen - seen.detach()))

    with pytest.raises(KShotValueError, match="gradient at the outputs of layer 'embed' is NaN"):
        alignment(backbone(Root("N, T")), DATA, **QUICK)

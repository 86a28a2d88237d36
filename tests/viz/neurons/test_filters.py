from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.inputs.preprocess import Preprocess
from kshot_viz.viz.neurons.filters import _filters_frame, _kernel_images, _mosaic, plot_filters
from kshot_viz.viz.neurons.layer_groups import layer_groups
from kshot_viz.viz.style.colours import group_colours, rgb

FIRST = "blocks.0.conv"


class Colour(nn.Module):
    """Three input channels, four neurons, then a linear layer and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 2, bias=False)
        self.hidden = nn.Linear(4, 5)
        self.head = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.hidden(self.conv(x).mean(dim=(2, 3))))


def colour(channels: str = "RGB") -> Backbone:
    torch.manual_seed(0)
    taken = Preprocess(
        size=8,
        resize="stretch",
        short_side=None,
        channels=channels,
        scale=1.0,
        mean=(0, 0, 0),
        std=(1, 1, 1),
    )
    return Backbone(Colour(), preprocess=taken, example=torch.rand(1, 3, 8, 8))


def test_cells_follow_the_groups() -> None:
    groups = layer_groups(Grouping({"a": [0, 1, 0, 2, 1]}), "a", 5)
    frame = _filters_frame(groups)
    assert frame["neuron"].tolist() == [0, 2, 1, 4, 3]
    assert frame["group"].tolist() == [0, 0, 1, 1, 2]
    assert frame[["row", "column"]].drop_duplicates().shape == (5, 2)


def test_zero_is_grey_and_each_kernel_uses_its_own_scale(network: Backbone) -> None:
    weight = network.module.get_submodule(FIRST).weight
    with torch.no_grad():
        weight.zero_()
        weight[0, 0, 0, 0], weight[0, 0, 1, 1], weight[1, 0, 0, 0] = 2.0, -1.0, 1e-6
    kernels = _kernel_images(network, FIRST)
    assert kernels.shape == (8, 3, 3, 3)
    assert (kernels[2] == 0.5).all()
    assert kernels[0, 0, 0].tolist() == [1.0] * 3
    assert kernels[0, 1, 1].tolist() == [0.25] * 3
    assert kernels[1, 0, 0].tolist() == [1.0] * 3


def test_three_input_channels_are_colours_in_the_order_of_the_eye() -> None:
    straight, turned = colour("RGB"), colour("BGR")
    weight = straight.module.get_submodule("conv").weight.detach().double().numpy()
    largest = np.abs(weight).max(axis=(1, 2, 3), keepdims=True)
    expected = (0.5 + weight / (2 * largest)).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(_kernel_images(straight, "conv"), expected)
    np.testing.assert_allclose(_kernel_images(turned, "conv"), expected[..., ::-1])


def test_many_input_channels_are_averaged(network: Backbone) -> None:
    ax = plot_filters(network, layer="blocks.2.conv")
    assert "mean over 8 input channels" in ax.texts[-1].get_text().replace("\n", " ")


def test_frames_have_the_colour_of_the_group(network: Backbone) -> None:
    groups = layer_groups(Grouping({FIRST: [0, 1, 0, 1, 0, 1, 2, 2]}), FIRST, 8)
    picture = _mosaic(_filters_frame(groups), _kernel_images(network, FIRST), groups)
    np.testing.assert_array_equal(picture[0, 0, :3], rgb(group_colours([0])[0]))
    assert picture[..., 3].min() == 0
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_the_first_convolution_is_drawn_with_its_group_numbers(network: Backbone) -> None:
    ax = plot_filters(network, Grouping({FIRST: [0, 0, 0, 0, 1, 1, 1, 2]}, dead={FIRST: 2}))
    numbers = [text.get_text() for text in ax.texts[:8]]
    assert numbers == ["0"] * 4 + ["1"] * 3 + ["dead"]
    assert ax.get_title(loc="left") == f"Filters of {FIRST}, 2 groups and 1 dead neuron"


def test_without_grouping_the_numbers_are_neurons(network: Backbone) -> None:
    ax = Figure().add_subplot()
    assert plot_filters(network, ax=ax) is ax
    assert [text.get_text() for text in ax.texts[:8]] == [str(i) for i in range(8)]


def test_layers_that_have_no_filters_are_refused() -> None:
    with pytest.raises(KShotValueError, match=r"'hidden' is a Linear.*Conv2d layers: 'conv'"):
        plot_filters(colour(), layer="hidden")
    with pytest.raises(KShotKeyError, match="'nonsense'"):
        plot_filters(colour(), layer="nonsense")
    flat = Backbone(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)))
    with pytest.raises(KShotValueError, match="There is none"):
        plot_filters(flat)


def test_of_very_many_kernels_some_are_drawn_and_the_note_says_so() -> None:
    wide = Backbone(
        nn.Sequential(nn.Conv2d(1, 1500, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        head="output",
        example=torch.rand(1, 1, 4, 4),
    )
    ax = plot_filters(wide, Grouping({"0": np.arange(1500) // 100}))
    assert "1,024 of 1,500 neurons drawn" in ax.texts[-1].get_text()
    assert [text.get_text() for text in ax.texts[:-1]] == [str(i) for i in range(15)]

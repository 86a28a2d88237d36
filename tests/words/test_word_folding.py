from __future__ import annotations

import pytest
import torch
from networks import toy_backbone
from torch import nn

from kshot_viz.models.backbone import Backbone
from kshot_viz.words.folding import fold, layer_shapes, with_biases
from kshot_viz.words.identity import body_fingerprint
from kshot_viz.words.modules.labels2adaptation import LayerChange

IMAGES = torch.rand(5, 1, 8, 8)


class Bare(nn.Module):
    """Layers without bias, one with a batch norm that has no scale, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4, affine=False)
        self.deep = nn.Conv2d(4, 5, 3, bias=False)
        self.head = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.deep(torch.relu(self.norm(self.conv(x))))).mean((2, 3)))


def networks() -> list[Backbone]:
    return [toy_backbone(), Backbone(Bare(), head="head", example=IMAGES)]


def random_changes(backbone: Backbone) -> dict[str, LayerChange]:
    return {
        name: LayerChange(scale=torch.rand(channels) + 0.5, shift=torch.randn(channels))
        for name, (channels, _) in layer_shapes(backbone).items()
    }


def unfolded(backbone: Backbone, changes: dict[str, LayerChange]) -> torch.Tensor:
    """Change the outputs of layers while the network runs."""
    hooks = []
    for name, change in changes.items():
        module = backbone.module.get_submodule(backbone.layers[name].norm or name)

        def hook(_, __, out, change=change):
            return change.scale[:, None, None] * out + change.shift[:, None, None]

        hooks.append(module.register_forward_hook(hook))
    with torch.no_grad():
        out = backbone.module(IMAGES)
    for one in hooks:
        one.remove()
    return out


@pytest.mark.parametrize("number", [0, 1])
def test_a_folded_network_is_the_unfolded_one(number):
    backbone = networks()[number]
    changes, before = random_changes(backbone), backbone.fingerprint
    folded = fold(backbone, changes)
    with torch.no_grad():
        found, plain = folded.module(IMAGES), backbone.module(IMAGES)
    torch.testing.assert_close(found, unfolded(backbone, changes), atol=1e-5, rtol=1e-5)
    assert (found - plain).abs().max() > 1e-3
    assert backbone.fingerprint == before


def test_a_matrix_is_added_to_the_weight():
    backbone = toy_backbone()
    delta = torch.randn(layer_shapes(backbone)["conv"])
    folded = fold(backbone, {"conv": LayerChange(delta=delta)})
    moved = folded.module.conv.weight - backbone.module.conv.weight
    torch.testing.assert_close(moved.detach().flatten(1), delta, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("number", [0, 1])
def test_biases_change_no_output(number):
    backbone = networks()[number]
    with torch.no_grad():
        torch.testing.assert_close(with_biases(backbone).module(IMAGES), backbone.module(IMAGES))


def test_the_body_is_the_same_under_any_head():
    backbone = toy_backbone()
    assert body_fingerprint(backbone.with_new_head(7)) == body_fingerprint(backbone)
    assert body_fingerprint(toy_backbone(seed=1)) != body_fingerprint(backbone)
    inverted = Backbone(backbone.module, head="head", preprocess="glyphs", example=IMAGES)
    assert body_fingerprint(inverted) != body_fingerprint(backbone)

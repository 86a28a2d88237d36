"""Blocks in the order in which they run: every parameter of the body is in one of them."""

from __future__ import annotations

import pytest
import torch
from networks import toy_backbone
from torch import nn
from transformers_networks import TRANSFORMERS

import kshot_viz as kv
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.blocks import block_parameters


class Tokens(nn.Module):
    """A loose parameter first, and a norm after the blocks that is tied to no layer."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(6))
        self.blocks = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = x.flatten(1) + self.shift
        for block in self.blocks:
            x = torch.relu(block(x))
        return self.head(self.norm(x))


def test_a_tied_norm_goes_with_its_layer():
    found = block_parameters(toy_backbone())
    assert list(found) == ["conv", "deep"]
    assert found["conv"] == {"conv.weight", "conv.bias", "norm.weight", "norm.bias"}
    assert found["deep"] == {"deep.weight", "deep.bias"}


def test_loose_parameters_go_with_a_block_beside_them():
    backbone = Backbone(Tokens(), head="head", example=torch.rand(2, 1, 2, 3))
    found = block_parameters(backbone.with_new_head(2))
    assert list(found) == ["blocks.0", "blocks.1"]
    assert found["blocks.0"] == {"shift", "blocks.0.weight", "blocks.0.bias"}
    assert found["blocks.1"] == {"blocks.1.weight", "blocks.1.bias", "norm.weight", "norm.bias"}


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "mobilenet_v3_small"])
def test_every_parameter_of_the_body_is_in_one_block(name):
    import torchvision

    torch.manual_seed(0)
    backbone = Backbone(torchvision.models.get_model(name), example=torch.rand(2, 3, 64, 64))
    tuned = backbone.with_new_head(3)
    found = block_parameters(tuned)
    names = [name for block in found.values() for name in block]
    assert len(names) == len(set(names))
    body = {name for name, _ in tuned.module.named_parameters()} - tuned.head_parameters()
    assert set(names) == body
    assert all(found.values())
    if name == "resnet18":
        assert list(found) == ["conv1", *(f"layer{i}.{j}" for i in (1, 2, 3, 4) for j in (0, 1))]


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("vit", ["vit.embeddings", "vit.layers.0", "vit.layers.1"]),
        ("vit_features", ["embeddings", "layers.0", "layers.1", "pooler"]),
        (
            "resnet",
            [
                "resnet.embedder",
                "resnet.encoder.stages.0.layers.0.layer.0",
                "resnet.encoder.stages.0.layers.0.layer.1",
                "resnet.encoder.stages.1.layers.0",
            ],
        ),
        ("dinov2", ["embeddings", "encoder.layer.0", "encoder.layer.1"]),
    ],
)
def test_a_classifier_of_transformers_has_the_blocks_of_the_network_in_it(name, blocks):
    transformers = pytest.importorskip("transformers")
    make, side = TRANSFORMERS[name]
    backbone = Backbone(make(transformers), example=torch.rand(2, 3, side, side))
    found = block_parameters(backbone.with_new_head(3))
    # Versions of transformers name the list of layers of a ViT in different ways.
    shorter = [one.replace("encoder.layer.", "layers.") for one in found]
    assert shorter == [one.replace("encoder.layer.", "layers.") for one in blocks]
    assert backbone.last_block == list(found)[-1]
    assert all(found.values())


class Wrapped(nn.Module):
    """All layers are in one module, the last of them in none of its lists."""

    def __init__(self):
        super().__init__()
        self.body = Tokens()
        self.body.head = nn.Identity()
        self.body.last = nn.Linear(6, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(torch.relu(self.body.last(self.body(x))))


def test_a_layer_outside_of_the_lists_is_a_block_of_its_own():
    backbone = Backbone(Wrapped(), head="head", example=torch.rand(2, 1, 2, 3))
    assert list(block_parameters(backbone)) == ["body.blocks.0", "body.blocks.1", "body.last"]
    assert backbone.block_parameters() == {"body.last.weight", "body.last.bias"}


def test_the_last_block_is_that_of_the_backbone():
    backbone = kv.load_backbone("glyphnet")
    found = block_parameters(backbone)
    assert list(found) == [f"blocks.{index}" for index in range(4)]
    assert found[backbone.last_block] == backbone.block_parameters()

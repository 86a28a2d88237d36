"""Torchvision's networks with random weights: what is found in them, and that a head goes in."""

from __future__ import annotations

import pytest
import torch

from kshot_viz.errors import KShotValueError
from kshot_viz.models.loading.load_backbone import load_backbone

# name: size, head, features, last block, layers, tied batch norms
EXPECTED = {
    "resnet18": (32, "fc", 512, "layer4.1", 20, 20),
    "squeezenet1_1": (32, "classifier", 512, "features.12", 25, 0),
    "mobilenet_v3_small": (32, "classifier.3", 1024, "classifier.0", 53, 34),
    "efficientnet_b0": (32, "classifier.1", 1280, "features.8", 81, 49),
    "alexnet": (64, "classifier.6", 4096, "classifier.4", 7, 0),
    "vgg11": (32, "classifier.6", 4096, "classifier.3", 10, 0),
    "vit_b_16": (224, "heads.head", 768, "encoder.layers.encoder_layer_11", 25, 0),
    "shufflenet_v2_x0_5": (32, "fc", 1024, "conv5.0", 56, 56),
    "densenet121": (32, "classifier", 1024, "features.denseblock4", 120, 59),
    "googlenet": (64, "fc", 1024, "inception5b.branch4.1", 57, 57),
    "swin_t": (32, "head", 768, "features.7.1", 28, 0),
    "convnext_tiny": (32, "classifier.2", 768, "features.7.2.block.5", 58, 0),
}
SLOW = {"alexnet", "vgg11", "vit_b_16"}
ZOO = [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in EXPECTED]


@pytest.mark.parametrize("name", ZOO)
def test_what_is_found(name):
    size, *expected = EXPECTED[name]
    backbone = load_backbone(name, weights=None, size=size)
    ties = sum(info.norm is not None for info in backbone.layers.values())
    found = (backbone.head_name, backbone.feature_dim, backbone.last_block)
    assert [*found, len(backbone.layers), ties] == expected

    fresh = backbone.with_new_head(7)
    images = backbone.prepare(torch.rand(2, 3, size + 8, size + 8))
    with torch.no_grad():
        assert torch.equal(fresh.module(images), torch.zeros(2, 7))
    for layer, info in backbone.layers.items():
        tied = fresh.tied_parameters(layer)
        assert {len(parameter) for parameter in tied.values()} == {info.width}
    assert fresh.block_parameters()
    assert not fresh.block_parameters() & fresh.head_parameters()
    assert len(fresh.head_parameters()) == 2


def test_depthwise_convolutions_are_tied_too():
    layers = load_backbone("mobilenet_v3_small", weights=None, size=32).layers
    depthwise = layers["features.1.block.0.0"]
    assert depthwise.weight_shape == (16, 1, 3, 3)
    assert depthwise.norm == "features.1.block.0.1"


def test_the_norm_of_a_shortcut_belongs_to_its_convolution():
    layers = load_backbone("resnet18", weights=None, size=32).layers
    assert layers["layer4.0.downsample.0"].norm == "layer4.0.downsample.1"
    assert layers["layer4.1.conv2"].norm == "layer4.1.bn2"


def test_images_under_the_minimum():
    with pytest.raises(KShotValueError, match=r"8x8 px is too small.*17x17 px"):
        load_backbone("squeezenet1_1", weights=None, size=8)


@pytest.mark.slow
def test_a_network_for_one_size_names_it():
    with pytest.raises(KShotValueError, match=r"64x64 px is too small.*224x224 px"):
        load_backbone("vit_b_16", weights=None, size=64)


@pytest.mark.slow
def test_projections_inside_attention_are_listed():
    refused = load_backbone("vit_b_16", weights=None).not_groupable
    assert "hooks never fire" in refused["encoder.layers.encoder_layer_0.self_attention.out_proj"]

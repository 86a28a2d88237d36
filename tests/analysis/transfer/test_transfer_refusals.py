"""What a transfer grid refuses, and how it says so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import ToyNet, toy_backbone
from toy_transfer import grid_of, target

import kshot_viz as kv
from kshot_viz.errors import KShotError, KShotKeyError, KShotValueError
from kshot_viz.models.backbone import Backbone


def test_an_unknown_start_is_named_with_those_that_exist():
    with pytest.raises(KShotKeyError, match=r"'frozen'.*'hybrid:LAYER'.*Did you mean 'frozen'"):
        grid_of(starts=["frozn"])
    with pytest.raises(KShotKeyError, match="frozen:conv"):
        grid_of(starts=["frozen:conv"])
    with pytest.raises(KShotValueError, match="`starts` is empty"):
        grid_of(starts=[])


def test_a_cut_at_a_layer_that_does_not_exist_lists_the_layers():
    with pytest.raises(KShotKeyError, match=r"'conv', 'deep'"):
        grid_of(starts=["hybrid:conv9"])


def test_a_target_with_too_few_images_is_named():
    with pytest.raises(KShotValueError, match=r"of 'target' has 24 images.*20 shots"):
        grid_of(shots=20)
    with pytest.raises(KShotValueError, match=r"`way` must be 2\.\.3"):
        grid_of(way=7)


def test_other_channels_are_told():
    grey = target()
    pixels = np.repeat(grey.images, 3, axis=3)
    colour = kv.ImageDataset.from_arrays(pixels, grey.labels, name="colour")
    with pytest.raises(KShotValueError, match=r"3 channels of the target 'colour'.*Preprocess"):
        grid_of(targets=colour)
    with pytest.raises(KShotValueError, match=r"3 channels of the source 'data'"):
        grid_of({"data": colour})


def test_a_source_with_images_of_the_target_is_no_source():
    with pytest.raises(KShotValueError, match=r"holds 72 images of the target.*only_classes"):
        grid_of({"same": target()})


@pytest.mark.parametrize(
    ("sources", "text"),
    [
        ({}, "`sources` must be one or more"),
        ({"random": 1}, "not 1"),
        ("digits", "must be a mapping"),
        (3, "must be a mapping"),
        ([target(seed=7), target(seed=8)], "distinct names"),
    ],
)
def test_wrong_sources(sources, text):
    with pytest.raises(KShotValueError, match=text):
        grid_of(sources)


def test_the_name_of_random_weights_is_taken():
    with pytest.raises(KShotValueError, match="cannot be called 'random'"):
        grid_of({"random": toy_backbone()})


def test_different_networks_need_different_names():
    torch.manual_seed(0)
    narrow = Backbone(ToyNet(4), head="head")
    with pytest.raises(
        KShotValueError, match="one name, 'ToyNet', whose shapes or preprocess differ"
    ):
        grid_of({"one": toy_backbone(), "other": narrow}, networks=None)


@pytest.mark.parametrize("seeds", [(), (0, 0), (-1,), "a", (True,)])
def test_wrong_seeds(seeds):
    with pytest.raises(KShotError, match="seeds"):
        grid_of(seeds=seeds)


@pytest.mark.parametrize("argument", ["out", "cache"])
def test_a_folder_is_a_path(argument):
    with pytest.raises(KShotValueError, match=f"`{argument}` must be None or of type str or Path"):
        grid_of(**{argument: 3})

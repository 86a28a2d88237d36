"""Captured layers on disk: served again for the same request, and for no other."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import toy_backbone
from safetensors.numpy import save_file
from torch import nn

from kshot_viz.activations import capture_activations
from kshot_viz.errors import KShotError
from kshot_viz.models.backbone import Backbone

IMAGES = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class Counted:
    """A backbone that counts its forward passes."""

    def __init__(self, backbone: Backbone | None = None) -> None:
        self.backbone = backbone or toy_backbone()
        self.passes = 0
        self.backbone.module.register_forward_pre_hook(self._count)

    def capture(self, folder: Path, images=IMAGES, **settings):
        return capture_activations(self.backbone, images, cache=folder, **settings)

    def _count(self, module, args):
        self.passes += 1


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*"))


def test_a_hit_runs_nothing_and_gives_the_same(tmp_path):
    one = Counted()
    first = one.capture(tmp_path)
    passes = one.passes
    assert passes
    assert [path.suffix for path in files(tmp_path)] == [".safetensors"] * 2
    second = one.capture(tmp_path)
    assert one.passes == passes
    plain = capture_activations(toy_backbone(), IMAGES)
    for name in plain:
        for acts in (first, second):
            np.testing.assert_array_equal(acts[name], plain[name])
            np.testing.assert_array_equal(acts.layer(name).std, plain.layer(name).std)
            np.testing.assert_array_equal(acts.layer(name).mean, plain.layer(name).mean)
        assert second.layer(name).n_features == plain.layer(name).n_features
        assert second.layer(name).form == plain.layer(name).form
    assert repr(first) == repr(second)


def test_the_same_request_in_other_words_is_a_hit(tmp_path):
    one = Counted()
    one.capture(tmp_path)
    passes = one.passes
    one.capture(tmp_path, batch_size=2)
    one.capture(tmp_path, list(IMAGES))
    one.capture(tmp_path, layers=["deep"])
    assert one.passes == passes
    twin = Counted(toy_backbone())
    twin.capture(tmp_path)
    assert twin.passes == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"pool": "mean"},
        {"grid": 2},
        {"dtype": torch.float64},
        {"dtype": torch.bfloat16},
        {"max_memory": 10**6},
    ],
)
def test_other_settings_are_a_miss(tmp_path, settings):
    one = Counted()
    one.capture(tmp_path)
    acts = one.capture(tmp_path, **settings)
    expected = capture_activations(toy_backbone(), IMAGES, **settings)
    np.testing.assert_array_equal(acts["conv"], expected["conv"])
    assert len(files(tmp_path)) == 4


def test_other_images_are_a_miss(tmp_path):
    one = Counted()
    one.capture(tmp_path)
    changed = IMAGES.clone()
    changed[3, 0, 4, 4] += 0.01
    for images in (changed, IMAGES[:5], IMAGES.flip(0), IMAGES.reshape(6, 1, 4, 16)):
        before = len(files(tmp_path))
        one.capture(tmp_path, images)
        assert len(files(tmp_path)) == before + 2


def test_other_weights_or_another_network_are_a_miss(tmp_path):
    one = Counted()
    one.capture(tmp_path)
    other = Counted(toy_backbone(seed=1))
    other.capture(tmp_path)
    assert other.passes
    with torch.no_grad():
        one.backbone.module.norm.running_mean[0] += 1e-3
    before = one.passes
    one.capture(tmp_path)
    assert one.passes > before


def test_networks_that_differ_in_what_has_no_weights_are_told_apart(tmp_path):
    conv, deep, head = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 2, 3), nn.Linear(32, 2)

    def network(activation: nn.Module) -> Backbone:
        body = [copy.deepcopy(m) for m in (conv, deep, head)]
        layers = nn.Sequential(body[0], activation, body[1], nn.Flatten(), body[2])
        return Backbone(layers, example=IMAGES[:2])

    first = capture_activations(network(nn.ReLU()), IMAGES, cache=tmp_path)
    second = capture_activations(network(nn.Tanh()), IMAGES, cache=tmp_path)
    assert not np.array_equal(first["2"], second["2"])


def test_only_what_is_missing_is_captured(tmp_path):
    one = Counted()
    one.capture(tmp_path, layers=["deep"])
    assert len(files(tmp_path)) == 1
    acts = one.capture(tmp_path)
    assert list(acts) == ["conv", "deep"]
    assert len(files(tmp_path)) == 2


def test_under_a_cap_layers_are_planned_together(tmp_path):
    """A layer that alone fits under the cap may not be served whole beside others."""
    alone = capture_activations(toy_backbone(), IMAGES, layers=["conv"], pool="none")
    cap = alone["conv"].nbytes
    plain = capture_activations(toy_backbone(), IMAGES, pool="none", max_memory=cap)
    assert plain.layer("conv").form == "inner_products"
    one = Counted()
    for layers in (["conv"], ["deep"], None):
        acts = one.capture(tmp_path, layers=layers, pool="none", max_memory=cap)
    assert repr(acts) == repr(plain)
    for path in files(tmp_path):
        path.unlink()
        again = one.capture(tmp_path, pool="none", max_memory=cap)
        assert repr(again) == repr(plain), "one lost file brings no other plan"


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("not safetensors")


def without_notes(path: Path) -> None:
    save_file({"points": np.zeros((2, 2))}, path)


def without_arrays(path: Path) -> None:
    save_file({"x": np.zeros(2)}, path, {"layer": "conv", "n_features": "2", "form": "features"})


def wrong_number(path: Path) -> None:
    arrays = {"points": np.zeros((2, 2)), "mean": np.zeros(2), "std": np.zeros(2)}
    save_file(arrays, path, {"layer": "conv", "n_features": "two", "form": "features"})


def another_layer(path: Path) -> None:
    arrays = {"points": np.zeros((2, 2)), "mean": np.zeros(2), "std": np.zeros(2)}
    save_file(arrays, path, {"layer": "other", "n_features": "2", "form": "features"})


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


BROKEN = [torn, empty, text, without_notes, without_arrays, wrong_number, another_layer]


@pytest.mark.parametrize("spoil", BROKEN)
def test_a_torn_or_wrong_file_counts_as_absent(tmp_path, spoil):
    one = Counted()
    first = one.capture(tmp_path)
    for path in files(tmp_path):
        spoil(path)
    again = one.capture(tmp_path)
    np.testing.assert_array_equal(again["conv"], first["conv"])
    passes = one.passes
    np.testing.assert_array_equal(one.capture(tmp_path)["conv"], first["conv"])
    assert one.passes == passes, "the file was written anew"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KShotError, match=r"`cache` .*file is not a folder"):
        Counted().capture(tmp_path / "file")
    one = Counted()
    one.capture(tmp_path / "deep" / "folder")
    for path in files(tmp_path / "deep" / "folder"):
        folder(path)
    with pytest.raises(KShotError, match=r"`cache` .*folder cannot be written"):
        one.capture(tmp_path / "deep" / "folder")


def test_an_interrupted_write_leaves_no_file_that_is_read(tmp_path, monkeypatch):
    def full(self, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(KShotError, match="cannot be written"):
            Counted().capture(tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))
    one = Counted()
    one.capture(tmp_path)
    assert one.passes

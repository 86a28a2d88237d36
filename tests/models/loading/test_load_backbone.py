from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from kshot_viz.errors import KShotFileError, KShotKeyError, KShotValueError
from kshot_viz.models.glyphnet.glyphnet import GlyphNet
from kshot_viz.models.inputs.preprocess import RECIPES, Preprocess
from kshot_viz.models.loading import load_backbone as loading
from kshot_viz.models.loading.load_backbone import (
    BUNDLED,
    bundled_glyphnet,
    load_backbone,
)
from kshot_viz.models.loading.torchvision_door import default_preprocess
from kshot_viz.models.loading.torchvision_records import torchvision_names
from kshot_viz.models.loading.weights import KNOWN_FILES, KnownFile, sha256_of


def write_bundle(folder, *, width=6, schema=1):
    torch.manual_seed(0)
    net = GlyphNet(width)
    save_file(net.state_dict(), folder / "glyphnet.safetensors")
    described = {
        "schema": schema,
        "preprocess": RECIPES["glyphs"].to_dict(),
        "record": {"steps": 10},
    }
    (folder / "glyphnet.json").write_text(json.dumps(described))
    return net


@pytest.fixture
def squeezenet_file(tmp_path):
    """Features of a random SqueezeNet: no classifier, as a file of features has it."""
    weights = load_backbone("squeezenet1_1", weights=None, size=32).module.features.state_dict()
    path = tmp_path / "features.npz"
    np.savez(path, **{f"features.{key}": value.numpy() for key, value in weights.items()})
    return path


# ---- the bundled network ----------------------------------------------------------------------


def test_the_bundle_is_read(tmp_path):
    net = write_bundle(tmp_path)
    module, preprocess, record = bundled_glyphnet(tmp_path)
    images = torch.rand(2, 1, 28, 28)
    assert torch.equal(module.eval()(images), net.eval()(images))
    assert (preprocess, record) == (RECIPES["glyphs"], {"steps": 10})


def test_glyphnet_by_name(tmp_path, monkeypatch):
    write_bundle(tmp_path)
    monkeypatch.setattr(loading, "bundled_glyphnet", lambda: bundled_glyphnet(tmp_path))
    backbone = load_backbone("GlyphNet", size=56)
    assert (backbone.name, backbone.head_name, backbone.feature_dim) == ("glyphnet", "head", 6)
    assert backbone.preprocess == Preprocess(size=56, channels="L")
    assert backbone.notes == {"weights": "bundled", "record": {"steps": 10}}
    assert backbone.with_new_head(4).module(torch.rand(2, 1, 56, 56)).shape == (2, 4)


def test_a_broken_bundle(tmp_path):
    with pytest.raises(KShotFileError, match=r"glyphnet\.json"):
        bundled_glyphnet(tmp_path)
    write_bundle(tmp_path, schema=2)
    with pytest.raises(KShotFileError, match="schema 1"):
        bundled_glyphnet(tmp_path)
    (tmp_path / "glyphnet.json").write_text('{"schema": 1, "preprocess": {}}')
    with pytest.raises(KShotFileError, match="lacks record"):
        bundled_glyphnet(tmp_path)
    write_bundle(tmp_path)
    (tmp_path / "glyphnet.safetensors").write_bytes(b"cut")
    with pytest.raises(KShotFileError, match=r"glyphnet\.safetensors"):
        bundled_glyphnet(tmp_path)


def test_an_untrained_network_is_the_same_each_time_and_disturbs_no_random_state():
    state = torch.random.get_rng_state()
    first, second = (load_backbone("glyphnet", weights=None) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    assert torch.equal(torch.random.get_rng_state(), state)
    assert "random" in first.notes["weights"]


@pytest.mark.skipif(not BUNDLED.is_dir(), reason="the weights are not trained yet")
def test_the_real_bundle():
    backbone = load_backbone("glyphnet")
    assert (backbone.head_name, backbone.feature_dim) == ("head", 32)
    assert backbone.preprocess == RECIPES["glyphs"]
    assert backbone.notes["record"]


# ---- names ------------------------------------------------------------------------------------


def test_unknown_names():
    with pytest.raises(KShotKeyError, match=r"'glyphnet', 'alexnet'.*Did you mean 'resnet18'"):
        load_backbone("resnet-18")
    with pytest.raises(KShotKeyError, match="'IMAGENET1K_V1'"):
        load_backbone("resnet18", weights="IMAGENET9K")
    with pytest.raises(KShotKeyError, match="'DEFAULT'"):
        load_backbone("glyphnet", weights="IMAGENET1K_V1")
    with pytest.raises(KShotKeyError, match="'fc'"):
        load_backbone("resnet18", weights=None, head="classifier", size=32)


def test_no_weights_are_asked_for_by_either_spelling():
    spelled = load_backbone("glyphnet", weights="None", size=16)
    assert spelled.fingerprint == load_backbone("glyphnet", weights=None, size=16).fingerprint


def test_every_network_of_torchvision_has_a_preprocess():
    assert len(torchvision_names()) >= 80
    assert default_preprocess("resnet18") == Preprocess(
        224, "crop", 256, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )
    assert default_preprocess("efficientnet_b0").interpolation == "bicubic"
    for name in torchvision_names():
        assert default_preprocess(name).size >= 224


def test_a_download_that_fails_says_what_to_do(monkeypatch, tmp_path):
    from urllib.error import URLError

    def no_internet(*args, **kwargs):
        raise URLError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", no_internet)
    with pytest.raises(KShotFileError, match=r"IMAGENET1K_V1 of squeezenet1_1.*weights=FILE"):
        load_backbone("squeezenet1_1")


def test_a_download_that_works_uses_the_weights_own_transforms(monkeypatch, tmp_path):
    given = load_backbone("squeezenet1_1", weights=None, size=64).module.state_dict()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(
        "torch.hub.download_url_to_file", lambda url, path, **kwargs: torch.save(given, path)
    )
    backbone = load_backbone("squeezenet1_1", weights="IMAGENET1K_V1", size=64)
    assert backbone.preprocess == default_preprocess("squeezenet1_1").with_size(64)
    assert backbone.notes["weights"] == "torchvision IMAGENET1K_V1"
    assert torch.equal(backbone.module.features[0].weight, given["features.0.weight"])


# ---- local files ------------------------------------------------------------------------------


def load_file(path, **options):
    return load_backbone("squeezenet1_1", weights=path, size=32, **options)


def test_a_file_of_features_with_a_recipe(squeezenet_file):
    backbone = load_file(squeezenet_file, preprocess="caffe_bgr")
    weights = np.load(squeezenet_file)
    assert np.array_equal(
        backbone.module.features[0].weight.numpy(force=True), weights["features.0.weight"]
    )
    assert backbone.preprocess == RECIPES["caffe_bgr"].with_size(32)
    digest = hashlib.sha256(squeezenet_file.read_bytes()).hexdigest()
    assert backbone.notes == {"weights": "features.npz", "sha256": digest}
    assert backbone.with_new_head(3).module(torch.rand(2, 3, 32, 32)).shape == (2, 3)


def test_without_a_preprocess_the_recipes_are_listed(squeezenet_file):
    with pytest.raises(KShotValueError, match=r"'caffe_bgr'.*features\.npz\.preprocess\.json"):
        load_file(squeezenet_file)


@pytest.mark.parametrize("beside", ["features.npz.preprocess.json", "features.json"])
def test_a_json_file_beside_the_weights(squeezenet_file, beside):
    own = Preprocess(size=40, mean=(0.5,))
    (squeezenet_file.parent / beside).write_text(own.to_json())
    assert load_file(squeezenet_file).preprocess == own.with_size(32)
    assert load_file(str(squeezenet_file), preprocess="unit").preprocess == Preprocess(size=32)


def test_the_more_exact_name_wins(squeezenet_file):
    folder = squeezenet_file.parent
    (folder / "features.json").write_text(Preprocess(size=40).to_json())
    (folder / "features.npz.preprocess.json").write_text(Preprocess(size=48).to_json())
    assert load_backbone("squeezenet1_1", weights=squeezenet_file).preprocess.size == 48


def test_a_known_file_brings_its_recipe(squeezenet_file, monkeypatch):
    known = KnownFile("caffe_bgr", "a test")
    monkeypatch.setitem(KNOWN_FILES, sha256_of(squeezenet_file), known)
    backbone = load_file(squeezenet_file)
    assert backbone.preprocess == RECIPES["caffe_bgr"].with_size(32)
    assert backbone.notes["about"] == "a test"


def test_the_table_of_known_files():
    for digest, known in KNOWN_FILES.items():
        assert len(digest) == 64
        assert known.recipe in RECIPES
        assert len(known.about) > 40


def test_a_file_that_does_not_fit(squeezenet_file, tmp_path):
    with pytest.raises(KShotValueError, match=r"features\.npz.*20 missing.*50 unexpected"):
        load_backbone("glyphnet", weights=squeezenet_file, preprocess="glyphs")
    with pytest.raises(KShotFileError, match=r"absent\.pth"):
        load_file(tmp_path / "absent.pth", preprocess="unit")


def test_size_needs_a_preprocess_that_has_one(squeezenet_file):
    with pytest.raises(KShotValueError, match="`size`"):
        load_file(squeezenet_file, preprocess=torch.neg)
    assert load_backbone("glyphnet", weights=None, preprocess=torch.neg).preprocess is torch.neg


def test_a_folder_that_is_missing_is_called_so():
    with pytest.raises(KShotKeyError, match=r"no such folder with the `config.json`"):
        load_backbone("models/my-vit")

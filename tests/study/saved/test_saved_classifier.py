"""A classifier on disk: what is loaded is what was saved, or an error that says what is wrong."""

from __future__ import annotations

import importlib.util
import json
import shutil

import numpy as np
import pytest
import torch
from networks import ToyNet, toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.errors import KShotError, KShotFileError, KShotValueError
from kshot_viz.study.saved import folder as folders
from kshot_viz.study.saved.folder import ABOUT
from kshot_viz.study.saved.onnx_file import ONNX_PACKAGES, export_onnx, input_text
from kshot_viz.study.saved.saved_classifier import SavedClassifier

STEPS = kv.FinetuneConfig(steps=3, lr=0.01)


@pytest.fixture(scope="module")
def tuned(backbone, digits) -> kv.FinetuneResult:
    return kv.finetune(backbone, digits, method="plain", config=STEPS)


@pytest.fixture
def kept(tuned, digits, tmp_path):
    return kv.save_classifier(tuned, tmp_path / "kept", support=digits)


def changed(path, **changes):
    record = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**record, **changes}), "utf-8")


# ---- round trip --------------------------------------------------------------------------------


def test_what_is_loaded_predicts_the_same_bits(tuned, digits, kept):
    loaded = kv.load_classifier(kept)
    assert isinstance(loaded, SavedClassifier)
    assert loaded.predict_proba(digits).tolist() == tuned.predict_proba(digits).tolist()
    assert loaded.predict(digits).tolist() == tuned.predict(digits).tolist()
    assert loaded.score(digits) == tuned.score(digits)
    assert loaded.classes.tolist() == ["0", "1", "2", "3"]
    assert loaded.backbone.preprocess == tuned.backbone.preprocess
    assert loaded.result.config == STEPS
    assert loaded.result.losses == tuned.losses
    assert loaded.estimate is None
    assert tuple(loaded.record["training"]["digests"]) == digits.digests
    assert "torch" in loaded.record["versions"]
    assert loaded.record["network"]["by_name"]


def test_saving_what_was_loaded_changes_nothing(kept, digits, tmp_path):
    first = kv.load_classifier(kept)
    again = kv.load_classifier(kv.save_classifier(first, tmp_path / "again"))
    assert again.record == first.record


def test_what_is_given_with_a_loaded_classifier_is_saved(kept, digits, backbone, tmp_path):
    advice = kv.recommend(backbone, digits, seed=np.int64(3))
    first = kv.load_classifier(kept)
    path = kv.save_classifier(first, tmp_path / "again", recommendation=advice, command="mine")
    record = kv.load_classifier(path).record
    assert record["recommendation"]["seed"] == 3
    assert record["training"] == {"digests": list(digits.digests), "command": "mine"}
    assert record["versions"] == first.record["versions"]


def test_the_estimate_travels_along(backbone, digits, tmp_path):
    classifier = kv.KShotClassifier(backbone, method="recommended").fit(digits, digits.labels)
    advice = classifier.recommendation_
    assert classifier.result_.method == advice.method
    kv.save_classifier(classifier, tmp_path, command="by hand")
    loaded = kv.load_classifier(tmp_path)
    assert loaded.estimate == advice.estimate
    assert loaded.record["recommendation"]["reasons"] == list(advice.reasons)
    assert loaded.record["training"] == {"digests": [], "command": "by hand"}
    assert loaded.predict(digits).tolist() == classifier.predict(digits).tolist()
    assert advice.estimate.percent in repr(loaded)
    assert "left out of training" in loaded._repr_html_()


def test_groups_and_classes_that_are_numbers_come_back(backbone, digits, tmp_path):
    labels = digits.targets * 10
    result = kv.finetune(
        backbone, (digits.images, labels), grouping=kv.GroupingRule(n_groups=0.5), config=STEPS
    )
    loaded = kv.load_classifier(kv.save_classifier(result, tmp_path))
    assert loaded.result.grouping == result.grouping
    assert loaded.classes.tolist() == [0, 10, 20, 30]


def test_a_network_of_ones_own_is_given_again(tmp_path):
    own, data = toy_backbone(), toy_data(3, 3)
    result = kv.finetune(own, data, method="plain", config=STEPS)
    kv.save_classifier(result, tmp_path)
    with pytest.raises(KShotValueError, match=r"backbone=kv.Backbone"):
        kv.load_classifier(tmp_path)
    loaded = kv.load_classifier(tmp_path, backbone=own)
    assert loaded.predict_proba(data).tolist() == result.predict_proba(data).tolist()
    with pytest.raises(KShotValueError, match="do not fit"):
        kv.load_classifier(tmp_path, backbone=toy_backbone(9))


def test_a_network_that_prepares_images_otherwise_is_refused(tmp_path):
    module, data = toy_backbone().module, toy_data(3, 3)
    look = kv.Preprocess(size=8, channels="L", mean=(0.5,), std=(0.1,))
    own = kv.Backbone(module, head="head", preprocess=look)
    result = kv.finetune(own, data, method="plain", config=STEPS)
    kv.save_classifier(result, tmp_path)
    loaded = kv.load_classifier(tmp_path, backbone=own)
    assert loaded.predict_proba(data).tolist() == result.predict_proba(data).tolist()
    for other in (None, kv.Preprocess(size=8, channels="L", mean=(0.4,), std=(0.1,))):
        with pytest.raises(KShotValueError, match="prepares them by"):
            kv.load_classifier(
                tmp_path, backbone=kv.Backbone(module, head="head", preprocess=other)
            )


def test_the_name_of_a_known_network_is_not_believed(tmp_path):
    torch.manual_seed(0)
    own = kv.Backbone(
        ToyNet(), head="head", preprocess=kv.Preprocess(size=8, channels="L"), name="glyphnet"
    )
    result = kv.finetune(own, toy_data(3, 3), method="plain", config=STEPS)
    kv.save_classifier(result, tmp_path)
    with pytest.raises(KShotValueError, match="cannot be built from its name"):
        kv.load_classifier(tmp_path)


# ---- the folder --------------------------------------------------------------------------------


def test_a_classifier_replaces_the_one_before(kept, tuned, backbone, digits):
    other = kv.finetune(backbone, digits, method="plain", config=STEPS.but(steps=5))
    kv.save_classifier(other, kept)
    assert len(list(kept.iterdir())) == 2
    loaded = kv.load_classifier(kept)
    assert loaded.predict_proba(digits).tolist() == other.predict_proba(digits).tolist()


def test_a_write_that_fails_leaves_the_old_classifier(kept, backbone, digits, tuned, monkeypatch):
    other = kv.finetune(backbone, digits, method="plain", config=STEPS.but(steps=5))

    def full(*_, **__):
        raise KShotFileError("the disk is full")

    monkeypatch.setattr(folders, "write_json", full)
    with pytest.raises(KShotFileError, match="full"):
        kv.save_classifier(other, kept)
    loaded = kv.load_classifier(kept)
    assert loaded.predict_proba(digits).tolist() == tuned.predict_proba(digits).tolist()


def test_a_foreign_record_is_never_replaced(tuned, tmp_path):
    (tmp_path / ABOUT).write_text('{"kind": "mine"}', "utf-8")
    with pytest.raises(KShotFileError, match="no record of a saved classifier"):
        kv.save_classifier(tuned, tmp_path)
    assert (tmp_path / ABOUT).read_text("utf-8") == '{"kind": "mine"}'


def weights_of(folder):
    (path,) = folder.glob("weights-*")
    return path


DAMAGE = {
    "no folder": (shutil.rmtree, "no saved classifier"),
    "no record": (lambda f: (f / ABOUT).unlink(), "no saved classifier"),
    "no weights": (lambda f: weights_of(f).unlink(), "cannot be read"),
    "weights cut off": (
        lambda f: weights_of(f).write_bytes(weights_of(f).read_bytes()[:-9]),
        "not what was saved",
    ),
    "record cut off": (
        lambda f: (f / ABOUT).write_text((f / ABOUT).read_text("utf-8")[:-40], "utf-8"),
        "cannot be read",
    ),
    "a newer schema": (lambda f: changed(f / ABOUT, schema=2), "schema 2"),
    "another kind": (lambda f: changed(f / ABOUT, kind="x"), "no record"),
    "a list": (lambda f: (f / ABOUT).write_text("[1]", "utf-8"), "no record"),
    "another record": (lambda f: changed(f / ABOUT, classifier={}), "not what was saved"),
    "no check": (lambda f: changed(f / ABOUT, check=None), "not what was saved"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_folder_is_named(kept, name):
    damage, words = DAMAGE[name]
    damage(kept)
    with pytest.raises(KShotFileError, match=words) as raised:
        kv.load_classifier(kept)
    assert str(kept) in str(raised.value)


def test_weights_are_read_from_the_folder_alone(kept):
    record = json.loads((kept / ABOUT).read_text("utf-8"))["classifier"]
    record["weights"]["file"] = "../" + record["weights"]["file"]
    changed(kept / ABOUT, classifier=record, check=folders.record_digest(record))
    with pytest.raises(KShotFileError, match="in its folder"):
        kv.load_classifier(kept)


# ---- what cannot be saved ----------------------------------------------------------------------


def test_other_things_are_no_classifier(tmp_path):
    for one in (3, kv.KShotClassifier(), toy_backbone()):
        with pytest.raises(KShotValueError, match="FinetuneResult"):
            kv.save_classifier(one, tmp_path)


def test_a_run_that_diverged_is_no_classifier(tmp_path):
    wild = kv.FinetuneConfig(steps=30, lr=1e6, head_lr=1e6)
    result = kv.finetune(toy_backbone(), toy_data(3, 3), method="plain", config=wild)
    assert result.diverged
    with pytest.raises(KShotValueError, match="diverged"):
        kv.save_classifier(result, tmp_path)


# ---- ONNX --------------------------------------------------------------------------------------


def test_what_the_input_must_be_is_said(backbone):
    said = input_text(backbone)
    assert "(N, 1, 20, 20), grey, from 0 (black) to 1 (white), resized to 20 x 20" in said
    look = kv.Preprocess(size=16, resize="crop", short_side=20, channels="BGR", antialias=False)
    own = kv.Backbone(ToyNet(channels=3), head="head", preprocess=look)
    assert "RGB" in input_text(own)
    assert "shorter side has 20 pixels (bilinear, without antialiasing), then" in input_text(own)


def test_without_the_packages_the_extra_is_named(kept, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(KShotError, match=r"kshot-viz\[onnx\]"):
        export_onnx(kv.load_classifier(kept), tmp_path / "it.onnx")
    assert not list(tmp_path.glob("*.onnx*"))


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(one) is None for one in ONNX_PACKAGES), reason="needs the extra"
)
@pytest.mark.parametrize("channels", ["L", "BGR"])
def test_the_file_computes_the_same_probabilities(channels, tmp_path):
    import onnxruntime

    look = kv.Preprocess(
        size=12, channels=channels, scale=255.0, mean=(90.0,), std=(60.0,), invert=True
    )
    width = 1 if channels == "L" else 3
    own, data = kv.Backbone(ToyNet(channels=width), head="head", preprocess=look), toy_data(3, 3)
    kv.save_classifier(kv.finetune(own, data, method="plain", config=STEPS), tmp_path)
    loaded = kv.load_classifier(tmp_path, backbone=own)
    path = export_onnx(loaded, tmp_path / "it.onnx")
    session = onnxruntime.InferenceSession(str(path))
    plain = kv.Preprocess(size=12, channels="L" if width == 1 else "RGB")
    images = plain(data.images[:5]).numpy()
    (found,) = session.run(["probabilities"], {"images": images})
    assert np.abs(found - loaded.predict_proba(data.images[:5])).max() < 1e-5
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == ["c0", "c1", "c2"]
    assert about["input"] == input_text(loaded.backbone)

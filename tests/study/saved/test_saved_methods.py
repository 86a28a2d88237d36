"""Networks that a method wraps or adds to, on disk: put in again, merged, or refused."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from anchored import Anchored
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.errors import KShotValueError
from kshot_viz.methods.adafilter.gates import gate_frame
from kshot_viz.methods.adafilter.method import AdaFilter
from kshot_viz.study.saved.folder import ABOUT

PEFT = ("lora", "dora", "ia3")
STEPS = kv.FinetuneConfig(steps=3, lr=0.01)


@pytest.mark.parametrize("named", [True, False], ids=["named", "own class"])
@pytest.mark.parametrize("method", ["adafilter", "cosine_head", "random_subspace", *PEFT])
def test_what_a_method_added_is_saved_too(method, named, backbone, digits, tmp_path):
    if method in PEFT and importlib.util.find_spec("peft") is None:
        pytest.skip("needs peft")
    # A name that is not known, so that the network is given when it is loaded.
    start = (
        backbone
        if named
        else kv.Backbone(backbone.module, preprocess=backbone.preprocess, name="mine")
    )
    result = kv.finetune(start, digits, method=method, config=STEPS)
    folder = kv.save_classifier(result, tmp_path)
    loaded = kv.load_classifier(folder, backbone=None if named else start)
    assert loaded.record["network"]["by_name"] == named
    np.testing.assert_allclose(
        loaded.predict_proba(digits), result.predict_proba(digits), atol=1e-5
    )
    again = kv.save_classifier(loaded, tmp_path / "again")
    assert json.loads((again / ABOUT).read_text()) == json.loads((folder / ABOUT).read_text())


def test_gates_that_are_the_same_for_all_images_are_saved_too(backbone, digits, tmp_path):
    method = AdaFilter(gate="static", rate=0.3)
    result = kv.finetune(backbone, digits, method=method, config=STEPS)
    loaded = kv.load_classifier(kv.save_classifier(result, tmp_path))
    assert loaded.predict_proba(digits).tolist() == result.predict_proba(digits).tolist()
    frames = [gate_frame(one, digits, digits.labels) for one in (result, loaded.result)]
    assert frames[0].equals(frames[1])


def test_adapters_are_merged_into_the_weights(backbone, digits, tmp_path):
    if importlib.util.find_spec("peft") is None:
        pytest.skip("needs peft")
    result = kv.finetune(backbone, digits, method="lora", config=STEPS)
    before = result.backbone.fingerprint
    loaded = kv.load_classifier(kv.save_classifier(result, tmp_path))
    assert result.backbone.fingerprint == before
    names = backbone.with_new_head(4).module.state_dict().keys()
    assert loaded.backbone.module.state_dict().keys() == names


def test_what_a_method_cannot_put_in_again_is_refused(backbone, digits, tmp_path):
    result = kv.finetune(backbone, digits, method=Anchored(), config=STEPS)
    with pytest.raises(KShotValueError, match=r"'anchored' added modules .*'anchor'.*rebuild"):
        kv.save_classifier(result, tmp_path)


def test_a_network_of_your_own_with_such_modules_does_not_load(tmp_path):
    start = toy_backbone()
    result = kv.finetune(start, toy_data(3, 3), method=Anchored(), config=STEPS)
    folder = kv.save_classifier(result, tmp_path)
    with pytest.raises(KShotValueError, match="`rebuild`"):
        kv.load_classifier(folder, backbone=start)

"""Networks that a method wraps or adds to, on disk: put in again, merged, or refused."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
import torch
from anchored import Anchored
from networks import toy_backbone, toy_data
from torch import nn
from torch.nn import functional

import kshot_viz as kv
from kshot_viz.errors import KShotValueError
from kshot_viz.methods.adafilter.gates import gate_frame
from kshot_viz.methods.adafilter.method import AdaFilter
from kshot_viz.methods.rivals.adapters import IA3, DoRA, LoRA
from kshot_viz.methods.rivals.random_subspace import RandomSubspace
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


def test_a_network_of_your_own_with_such_modules_is_refused_too(tmp_path):
    result = kv.finetune(toy_backbone(), toy_data(3, 3), method=Anchored(), config=STEPS)
    assert result.added == ("anchor",)
    with pytest.raises(KShotValueError, match="has no `rebuild`"):
        kv.save_classifier(result, tmp_path)


class Standardised(nn.Conv2d):
    """Standardises its weights before it uses them, so that none can be added to them."""

    def forward(self, x):
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        return functional.conv2d(x, weight, self.bias, padding=self.padding)


class Odd(nn.Module):
    """A layer of a class of its own, a dilated one, one that is used twice, and a dead filter."""

    def __init__(self):
        super().__init__()
        self.own = Standardised(1, 4, 3, padding=1)
        self.wide = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.twice = nn.Conv2d(4, 4, 1)
        self.again = self.twice
        self.plain = nn.Conv2d(4, 4, 1)
        self.dead = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 3)
        with torch.no_grad():
            self.dead.weight[0] = 0

    def forward(self, x):
        x = torch.relu(self.wide(torch.relu(self.own(x))))
        x = torch.relu(self.again(torch.relu(self.twice(x))))
        return self.head(torch.relu(self.dead(torch.relu(self.plain(x)))).mean(dim=(2, 3)))


@pytest.mark.parametrize(
    ("method", "adapted"),
    [
        (LoRA(), ["plain", "dead"]),
        (DoRA(), ["plain"]),
        (IA3(), ["wide", "plain", "dead"]),
    ],
    ids=PEFT,
)
def test_only_layers_that_peft_computes_with_rightly_get_adapters(method, adapted, tmp_path):
    start = kv.Backbone(Odd(), head="head", example=torch.rand(2, 1, 8, 8), name="odd")
    assert method.adapted(start) == adapted
    if importlib.util.find_spec("peft") is None:
        pytest.skip("needs peft")
    data = toy_data(3, 3)
    result = kv.finetune(start, data, method=method, config=kv.FinetuneConfig(steps=5, lr=0.05))
    assert not result.diverged
    loaded = kv.load_classifier(kv.save_classifier(result, tmp_path), backbone=start)
    np.testing.assert_allclose(loaded.predict_proba(data), result.predict_proba(data), atol=1e-5)


def test_what_merging_would_change_is_refused(backbone, digits, tmp_path, monkeypatch):
    monkeypatch.setattr(RandomSubspace, "merged", classmethod(lambda *_: backbone.with_new_head(4)))
    result = kv.finetune(backbone, digits, method="random_subspace", config=STEPS)
    with pytest.raises(KShotValueError, match="without changing what it computes"):
        kv.save_classifier(result, tmp_path)

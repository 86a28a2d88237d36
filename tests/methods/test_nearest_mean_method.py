"""The nearest class mean as a method that takes no steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data
from torch import nn

import kshot_viz as kv
from kshot_viz.errors import KShotError
from kshot_viz.methods.rivals.nearest_mean import NearestMean
from kshot_viz.models.nearest_mean import nearest_mean_accuracy, penultimate_features

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=6, n=4, seed=0)


def test_cosine_is_the_nearest_mean_by_cosine():
    rows = kv.evaluate(toy_backbone(), DATA, EPISODES, [kv.Candidate(method="nearest_mean")])
    expected = nearest_mean_accuracy(toy_backbone(), DATA, EPISODES)
    np.testing.assert_allclose(rows["accuracy"], expected)


def test_euclidean_is_the_nearest_mean_by_distance():
    backbone, (support, query) = toy_backbone(), EPISODES[0].split(DATA)
    result = kv.finetune(backbone, support, method=NearestMean("euclidean"))
    known = penultimate_features(backbone, support.images)
    means = torch.stack([known[support.targets == one].mean(dim=0) for one in range(4)])
    nearest = torch.cdist(penultimate_features(backbone, query.images), means).argmin(dim=1)
    np.testing.assert_array_equal(result.predict(query.images), result.classes[nearest.numpy()])


def test_long_features_in_half_precision_do_not_overflow():
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 2)).half()
    with torch.no_grad():
        module[1].weight.copy_(torch.eye(4))
        module[1].bias.zero_()
    # Squared lengths of 67,600, beyond 65,504.
    pixels = torch.tensor([[260.0, 0, 0, 0], [0, 260.0, 0, 0]]).reshape(2, 1, 2, 2)
    example = torch.zeros(2, 1, 2, 2).half()
    network = kv.Backbone(module, head="2", preprocess=lambda images: images * 260, example=example)
    support = ((pixels / 260).numpy(), [0, 1])
    result = kv.finetune(network, support, method=NearestMean("euclidean"))
    assert (result.status, result.accuracies) == ("ok", (1.0,))


def test_it_takes_no_steps_whatever_is_asked():
    candidate = kv.Candidate(None, kv.FinetuneConfig(steps=20), "nearest_mean")
    assert candidate.config.steps == candidate.at(steps=40).config.steps == 0
    assert candidate.step_size == 0
    support, _ = EPISODES[0].split(DATA)
    result = kv.finetune(toy_backbone(), support, method="nearest_mean")
    assert len(result.losses) == 1
    assert result.status == "ok"


def test_it_stands_beside_methods_that_are_tuned():
    grid = kv.TuningGrid(lrs=(0.01, 0.1), head_lrs=(0.1,), steps=(2, 4))
    table = kv.compare_methods(
        toy_backbone(), DATA, EPISODES, methods=["nearest_mean", "plain"], grid=grid, n_val=2
    )
    rows = table.frame[table.frame["method"] == "nearest_mean"]
    assert set(rows["steps"]) == {0}
    assert set(table.curve()["method"]) == {"plain"}
    assert "nearest mean" in str(table) or "nearest_mean" in str(table)


def test_only_a_method_without_steps_tunes_nothing():
    with pytest.raises(KShotError, match="setting in `tuned`"):
        type("Bad", (NearestMean,), {"takes_steps": True})()


def test_an_unknown_metric_is_an_error():
    with pytest.raises(KShotError, match="manhattan"):
        NearestMean("manhattan")

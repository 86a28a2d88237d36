"""One rule for the processor: sums are formed on one thread, whatever torch is set to."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data
from threadpoolctl import threadpool_info, threadpool_limits

import kshot_viz as kv
from kshot_viz.analysis.planar import principal_components
from kshot_viz.finetune.gradients import gradient_trace, neuron_gradients
from kshot_viz.models.nearest_mean import nearest_mean_accuracy
from kshot_viz.threads import one_thread

CONFIG = kv.FinetuneConfig(steps=2)
DATA = toy_data(3, 12)
EPISODES = kv.sample_episodes(DATA, way=3, shot=2, query=5, n=1, val_share=0, seed=0)
SUPPORT, QUERY = EPISODES[0].split(DATA)
# Every path that runs the network.
PATHS = {
    "finetune": lambda net: kv.finetune(net, SUPPORT, method="plain", config=CONFIG).losses,
    "neuron_gradients": lambda net: neuron_gradients(net, SUPPORT)["conv"].tolist(),
    "gradient_trace": lambda net: gradient_trace(
        net, SUPPORT, kv.Grouping.one_group(net), "conv", config=CONFIG
    ).alone.tolist(),
    "capture": lambda net: kv.capture_activations(net, SUPPORT)["deep"].tolist(),
    "groups": lambda net: kv.cluster_neurons(kv.capture_activations(net, QUERY), n_groups=3),
    "nearest mean": lambda net: nearest_mean_accuracy(net, DATA, EPISODES).tolist(),
    "classifier": lambda net: (
        kv.KShotClassifier(net, method="plain", steps=2)
        .fit(SUPPORT.images, SUPPORT.labels)
        .predict_proba(QUERY.images)
        .tolist()
    ),
    "evaluate": lambda net: kv.evaluate(
        net, DATA, EPISODES, [kv.Candidate(None, CONFIG)], path="loop"
    ).support_loss.tolist(),
    "new network": lambda net: kv.Backbone(net.module, example=torch.rand(2, 1, 8, 8)).layers,
}


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with threadpool_limits(2):
        yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", PATHS)
def test_every_path_computes_on_one_thread(two_threads, name):
    used: set[int] = set()
    net = toy_backbone()
    net.module.deep.register_forward_pre_hook(lambda *_: used.add(torch.get_num_threads()))
    PATHS[name](net)
    assert used == {1}
    assert torch.get_num_threads() == 2


def test_predictions_and_scores_are_made_on_one_thread(two_threads):
    used: set[int] = set()
    result = kv.finetune(toy_backbone(), SUPPORT, method="plain", config=CONFIG)
    result.backbone.module.deep.register_forward_pre_hook(
        lambda *_: used.add(torch.get_num_threads())
    )
    result.predict(QUERY.images)
    result.predict_proba(QUERY.images)
    result.score(QUERY.images, QUERY.labels)
    assert used == {1}


def test_tuning_alone_gives_the_bits_of_a_table(two_threads):
    net = toy_backbone()
    (row,) = PATHS["evaluate"](net)
    assert PATHS["finetune"](net)[-1] == row


def test_the_map_of_neurons_too(two_threads, monkeypatch):
    used: set[int] = set()
    real = np.ptp

    def spied(*args, **options):
        used.update(pool["num_threads"] for pool in threadpool_info())
        return real(*args, **options)

    monkeypatch.setattr(np, "ptp", spied)
    principal_components(np.random.default_rng(0).normal(size=(8, 5)))
    assert used == {1}


def test_blocks_that_overlap_do_not_undo_each_other(two_threads):
    """As a search in the background and a dashboard in front of it."""
    inside, left, seen = threading.Event(), threading.Event(), []

    def background():
        with one_thread():
            inside.set()
            left.wait(60)
            seen.append({pool["num_threads"] for pool in blas()})

    thread = threading.Thread(target=background)
    with one_thread():
        thread.start()
        inside.wait(60)
    assert torch.get_num_threads() == 2
    left.set()
    thread.join(60)
    assert seen == [{1}]
    assert {pool["num_threads"] for pool in blas()} == {2}


def test_blocks_within_blocks(two_threads):
    with one_thread():
        with one_thread():
            pass
        assert torch.get_num_threads() == 1
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2
    assert {pool["num_threads"] for pool in blas()} == {2}


def blas():
    return [pool for pool in threadpool_info() if pool["user_api"] == "blas"]

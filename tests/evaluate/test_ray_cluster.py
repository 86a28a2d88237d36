"""The same rows from a Ray cluster, also when a worker dies in the middle. One cluster for all."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from networks import toy_backbone

from kshot_viz.errors import KShotError
from kshot_viz.evaluate.evaluate import evaluate
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.models.backbone import Backbone

pytestmark = pytest.mark.slow
CONFIG = FinetuneConfig(lr=0.02, steps=6)


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    from kshot_viz.evaluate.executors import connect

    connect(2)
    yield ray
    ray.shutdown()


def candidates():
    rates = [Candidate(GroupingRule(n_groups=0.5), CONFIG.but(lr=lr)) for lr in (0.01, 0.02, 0.03)]
    deep = {"conv": 0.0, "norm": 0.0}
    return [
        *rates,
        Candidate(GroupingRule(n_groups=0.5, shuffled=True), CONFIG.but(layer_lr=deep)),
        Candidate(None, CONFIG, method="head_only"),
        Candidate(None, CONFIG.but(train_mode=True), name="noisy"),
    ]


def same(first, second):
    return first.drop(columns="seconds").equals(second.drop(columns="seconds"))


def test_serial_processes_and_ray_give_the_same_frame(cluster, data, episodes):
    request = (toy_backbone(), data, episodes, candidates())
    here = evaluate(*request, at_steps=(3, 6))
    assert set(here.path) == {"whole", "tail", "head", "loop"}
    assert same(here, evaluate(*request, at_steps=(3, 6), executor="processes", workers=2))
    assert same(here, evaluate(*request, at_steps=(3, 6), executor="ray"))
    assert same(here, evaluate(*request, at_steps=(3, 6), executor="ray", workers=1))


def test_a_worker_killed_in_the_middle_loses_nothing(cluster, data, episodes, tmp_path):
    driver, left = os.getpid(), tmp_path / "left"
    for name in ("one", "two", "three"):
        (tmp_path / name).touch()
    left.mkdir()

    def dies_three_times(images):
        """Kill the worker that prepares images, as long as there is a mark to take away."""
        if os.getpid() != driver:
            for mark in tmp_path.iterdir():
                if mark.is_file():
                    mark.rename(left / mark.name)
                    os.kill(os.getpid(), signal.SIGKILL)
        return images

    quiet = Backbone(toy_backbone().module, head="head", preprocess=lambda images: images)
    deadly = Backbone(toy_backbone().module, head="head", preprocess=dies_three_times)
    here = evaluate(quiet, data, episodes, candidates())
    there = evaluate(deadly, data, episodes, candidates(), executor="ray")
    assert len(list(left.iterdir())) == 3
    assert same(here, there)


def test_an_error_in_a_task_is_the_users_error(cluster, data, episodes):
    class Fails(Method):
        name = "fails"

        def loss(self, network, batch):
            raise ValueError("no such column")

    failing = [Candidate(method=Fails())]
    with pytest.raises(ValueError, match="no such column"):
        evaluate(toy_backbone(), data, episodes, failing, executor="ray")


def test_without_ray_the_message_says_how_to_get_it(monkeypatch, data, episodes):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(KShotError, match=r"extra of that name: pip install 'kshot-viz\[ray\]'"):
        evaluate(toy_backbone(), data, episodes, candidates(), executor="ray")

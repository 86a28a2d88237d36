"""Gates that are tuned for a view are those of the comparison's own run, and tuned once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.errors import KShotValueError
from kshot_viz.methods.adafilter.gates import gate_frame
from kshot_viz.study import tuned_gates
from kshot_viz.study.tuned_gates import TunedGates

DATA = toy_data(3, 20)
CONFIG = kv.FinetuneConfig(lr=0.05, head_lr=0.1, steps=4)


def compared(**changes):
    episodes = [
        one
        for shot in (1, 2)
        for one in kv.sample_episodes(DATA, way=3, shot=shot, query=4, n=2, seed=0)
    ]
    given = {"methods": ["plain", "adafilter"], "tune": None, "config": CONFIG} | changes
    return kv.compare_methods(toy_backbone(), DATA, episodes, **given)


@pytest.fixture(scope="module")
def comparison():
    return compared()


def test_they_are_those_of_the_run_at_the_chosen_setting(comparison):
    gates = TunedGates(comparison)
    assert gates.methods == ("adafilter",)
    found = gates.frame("adafilter", 3, 2)
    episode = comparison.episodes["3-way 2-shot test/0"]
    support, query = episode.split(DATA)
    result = kv.finetune(toy_backbone(), support, method="adafilter", config=CONFIG)
    pd.testing.assert_frame_equal(found, gate_frame(result, query, query.labels))
    row = comparison.frame.query("method == 'adafilter' and shot == 2 and episode == 'test/0'")
    guessed = np.array(result.classes)
    assert [int(np.flatnonzero(guessed == one)[0]) for one in result.predict(query)] == list(
        row["predicted"].iloc[0]
    )


def test_each_is_tuned_once(comparison, monkeypatch):
    calls = []
    monkeypatch.setattr(
        tuned_gates, "finetune", lambda *a, **b: calls.append(b) or kv.finetune(*a, **b)
    )
    gates = TunedGates(comparison)
    assert not gates.known("adafilter", 3, 1)
    first = gates.frame("adafilter", 3, 1)
    assert gates.known("adafilter", 3, 1)
    assert gates.frame("adafilter", 3, 1) is first
    assert len(calls) == 1
    gates.frame("adafilter", 3, 2)
    assert len(calls) == 2


def test_a_comparison_without_network_or_images_has_none(comparison, tmp_path):
    loaded = kv.Comparison.load(comparison.save(tmp_path / "out"))
    assert TunedGates(loaded, DATA).methods == ()
    known = replace(loaded, backbone=toy_backbone())
    assert TunedGates(known).methods == ()
    assert TunedGates(known, DATA).methods == ("adafilter",)
    with pytest.raises(KShotValueError, match="no gates that can be shown"):
        TunedGates(loaded).frame("adafilter", 3, 1)
    with pytest.raises(KShotValueError, match="'plain' has no gates"):
        TunedGates(comparison).frame("plain", 3, 1)


def test_a_run_that_diverges_says_so():
    wild = compared(config=CONFIG.but(lr=1e12, steps=8), methods=["adafilter"])
    with pytest.raises(KShotValueError, match="diverged at step"):
        TunedGates(wild).frame("adafilter", 3, 1)

"""By what rows are found again: on another machine too, and never for another function."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.evaluate.network_key import behaviour_key, coarse_digest, network_key
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.models.backbone import Backbone

CONFIG = kv.FinetuneConfig(steps=2, lr=0.1)


def pairs(size: int, part: float) -> list[bool]:
    """Say whether vectors and the same with a change of so large a share have one digest."""
    rng = np.random.default_rng(0)
    made = rng.normal(size=(1000, size)).astype(np.float32)
    changed = made * (1 + part * rng.normal(size=made.shape)).astype(np.float32)
    return [coarse_digest(a) == coarse_digest(b) for a, b in zip(made, changed, strict=True)]


@pytest.mark.parametrize("size", [2, 10, 1000])
def test_rounding_hardly_ever_changes_a_digest(size):
    assert np.mean(pairs(size, 1e-7)) > 0.99


@pytest.mark.parametrize("size", [2, 10, 1000])
def test_a_change_of_a_few_parts_in_a_hundred_is_told(size):
    assert np.mean(pairs(size, 0.03)) < 0.01


def test_size_shape_order_and_sign_are_told():
    one = np.arange(1.0, 7.0)
    others = [one * 1.01, -one, one[::-1], one.reshape(2, 3), np.append(one, 0.0)]
    assert len({coarse_digest(np.ascontiguousarray(each)) for each in (one, *others)}) == 6


def test_what_has_no_size_is_told_by_its_bits():
    empty, zeros, more = np.zeros(0), np.zeros(3), np.zeros(4)
    broken, other = np.array([1.0, np.nan, 2.0]), np.array([1.0, 2.0, np.nan])
    endless = np.array([1.0, np.inf, 2.0])
    given = [empty, zeros, more, broken, other, endless]
    assert len({coarse_digest(one) for one in given}) == len(given)
    assert all(coarse_digest(one) == coarse_digest(one.copy()) for one in given)


def test_whole_numbers_and_truths_have_a_digest():
    assert coarse_digest(np.array([1, 2])) == coarse_digest(np.array([1.0, 2.0]))
    assert coarse_digest(np.array([True, False])) != coarse_digest(np.array([False, True]))


def test_rows_of_a_machine_with_other_last_bits_are_served(tmp_path, monkeypatch):
    data = toy_data()
    episodes = kv.sample_episodes(data, way=3, shot=2, query=3, n=2)
    request = (toy_backbone(), data, episodes, [Candidate(None, CONFIG)])
    store = tmp_path / "rows.jsonl"
    first = kv.evaluate(*request, store=store)
    real = Backbone.prepare
    monkeypatch.setattr(Backbone, "prepare", lambda *given: real(*given) * (1 + 2e-7))
    assert kv.evaluate(*request, store=store).equals(first)
    monkeypatch.setattr(Backbone, "prepare", lambda *given: real(*given) * 1.1)
    other = kv.evaluate(*request, store=store)
    assert set(first.run).isdisjoint(other.run)


def test_builds_of_one_version_of_torch_are_alike(monkeypatch):
    backbone = toy_backbone()
    known = network_key(backbone)
    module = import_module("kshot_viz.evaluate.network_key")
    version = torch.__version__.partition("+")[0]
    monkeypatch.setattr(module.torch, "__version__", f"{version}+other")
    assert network_key(backbone) == known
    monkeypatch.setattr(module.torch, "__version__", "99.0")
    assert network_key(backbone) != known


def test_half_precision_has_a_key():
    backbone = toy_backbone()
    half = Backbone(backbone.module.to(torch.bfloat16), head="head", preprocess=None)
    assert behaviour_key(half, toy_data().take([0])) != behaviour_key(half, toy_data().take([1]))

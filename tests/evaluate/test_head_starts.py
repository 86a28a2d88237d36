"""Heads that start elsewhere than at zero: the rows are those of the loop."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from networks import toy_backbone

from kshot_viz.data.episodes import sample_episodes
from kshot_viz.evaluate.evaluate import evaluate
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.loop import finetune
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.grouped import Grouped
from kshot_viz.methods.head_only import HeadOnly
from kshot_viz.methods.plain import Plain
from kshot_viz.methods.rivals.lp_ft import LpFt
from kshot_viz.models.head_init import HeadInit

CONFIG = FinetuneConfig(lr=0.02, head_lr=0.05, steps=4, weight_decay=0.1)
STARTS = [
    HeadInit(),
    HeadInit("imprinted"),
    HeadInit("imprinted", scale=3.0),
    HeadInit("class_means"),
    HeadInit("weights", np.ones((3, 8)).tolist(), [0.1, 0.2, 0.3]),
]


@dataclass(frozen=True)
class BodyAlone(Plain):
    """The head stays as it starts."""

    name = "body_alone"

    def plan(self, network, layers, config):
        head = set(network.head_parameters())
        return tuple(one for one in super().plan(network, layers, config) if one.name not in head)


@pytest.fixture(scope="module")
def episodes(data):
    return sample_episodes(data, way=3, shot=2, query=5, n=2, val_share=0.4, seed=1)


def of_one_name():
    rule = GroupingRule(n_groups=0.5)
    made = [
        Candidate(rule if method.shares else None, CONFIG, replace(method, head=start), name="one")
        for method in (Plain(), Grouped(), HeadOnly(), LpFt(), BodyAlone())
        for start in STARTS
    ]
    still = [
        Candidate(None, CONFIG.but(head_lr=0.0), Plain(head=one), name="one") for one in STARTS
    ]
    return made + still


def compared(found, expected):
    assert found.predicted.equals(expected.predicted)
    np.testing.assert_allclose(found.support_loss, expected.support_loss, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_rows_are_those_of_the_loop(data, episodes):
    tried = of_one_name()
    found = evaluate(toy_backbone(), data, episodes, tried)
    compared(found, evaluate(toy_backbone(), data, episodes, tried, path="loop"))
    fast = found[found.path != "loop"]
    assert len(fast) >= 0.6 * len(found)
    assert (fast.groupby("episode").support_loss.nunique() > 10).all()


def test_so_are_those_of_other_processes(data, episodes):
    tried = [Candidate(None, CONFIG, Plain(head=one), name="one") for one in STARTS]
    here = evaluate(toy_backbone(), data, episodes, tried)
    compared(evaluate(toy_backbone(), data, episodes, tried, executor="processes", workers=2), here)


def test_a_head_that_stays_where_it_starts_takes_the_loop(data, episodes):
    imprinted = HeadInit("imprinted")
    tried = [
        Candidate(None, CONFIG, BodyAlone(head=imprinted), name="body"),
        Candidate(None, CONFIG.but(head_lr=0.0), Plain(head=imprinted), name="no step"),
        Candidate(None, CONFIG, Plain(head=imprinted), name="both"),
    ]
    rows = evaluate(toy_backbone(), data, episodes[:1], tried)
    assert rows.path.tolist() == ["loop", "loop", "whole"]


def test_features_of_half_precision_imprint_a_finite_head(data, episodes):
    backbone = toy_backbone(dtype=torch.float16)
    support, _ = episodes[0].split(data)
    black = support.images.copy()
    black[0] = 0
    method = HeadOnly(head=HeadInit("imprinted"))
    labels = support.labels
    found = finetune(backbone, (black, labels), method=method, config=FinetuneConfig(steps=0))
    head = found.backbone.module.get_submodule(found.backbone.head_name).linear
    assert torch.isfinite(head.weight).all()
    assert head.weight.abs().max() > 0

"""Opposite neurons share a gradient with opposite signs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.sharing import signed_groups
from kshot_viz.methods.sharing.signed_groups import SignedTies, group_signs
from kshot_viz.methods.sharing.ties import Ties
from kshot_viz.testing import check_method

DATA = toy_data(4, 6)
CONFIG = kv.FinetuneConfig(lr=0.05, head_lr=0.1, steps=8)
GROUPS = kv.Grouping({"conv": [0, 1, 0, 2, 1, 0], "deep": [0, 0, 1, 1, 2, 2, 3, 3]})


def opposite(backbone):
    """Make the last three neurons of the first layer the opposite of the first three."""
    module = backbone.module
    with torch.no_grad():
        module.conv.weight[3:] = -module.conv.weight[:3]
        module.conv.bias[3:] = -module.conv.bias[:3]
        module.norm.running_mean[3:] = -module.norm.running_mean[:3]
        module.norm.running_var[3:] = module.norm.running_var[:3]
        module.norm.weight[3:] = module.norm.weight[:3]
        module.norm.bias[3:] = -module.norm.bias[:3]
    return backbone


def tuned(method, grouping=GROUPS, backbone=None, **settings):
    network = toy_backbone() if backbone is None else backbone
    return kv.finetune(
        network, DATA, method=method, grouping=grouping, config=CONFIG.but(**settings)
    )


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adamw", "weight_decay": 0.1}])
def test_with_equal_signs_it_is_grouped_bit_for_bit(monkeypatch, settings):
    monkeypatch.setattr(
        signed_groups, "group_signs", lambda correlation, labels: np.ones(len(labels))
    )
    first, second = tuned("signed_groups", **settings), tuned("grouped", **settings)
    assert first.losses == second.losses
    for name, value in first.backbone.module.state_dict().items():
        assert torch.equal(value, second.backbone.module.state_dict()[name]), name


def test_singletons_are_plain_bit_for_bit():
    alone = kv.Grouping.singletons(toy_backbone())
    assert tuned("signed_groups", alone).losses == tuned("plain", None).losses


def test_signs_follow_correlations():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(2, 40))
    sign = np.array([1, -1, 1, -1, -1, 1])
    rows = sign[:, None] * base[[0, 0, 1, 1, 0, 1]] + 0.1 * rng.normal(size=(6, 40))
    found = group_signs(np.corrcoef(rows), np.array([0, 0, 1, 1, 0, 1]))
    assert found.tolist() == [1, -1, 1, -1, -1, 1]


def test_a_neuron_that_never_changes_has_no_sign():
    assert group_signs(np.zeros((3, 3)), np.array([0, 0, 1])).tolist() == [1, 1, 1]


def test_opposite_gradients_do_not_cancel_out():
    rows = torch.tensor([[1.0, 2.0], [-1.0, -2.0], [5.0, 5.0]])
    share = SignedTies(Ties([0, 0, 1]), torch.tensor([1.0, -1.0, 1.0]))
    assert torch.equal(share(rows), rows)
    assert torch.equal(share.pull(rows), rows)
    assert torch.equal(share(share(rows * 3 + 1)), share(rows * 3 + 1))


def test_a_rule_puts_opposite_neurons_together_and_they_stay_opposite():
    backbone = opposite(toy_backbone(dtype=torch.float64))
    rule = GroupingRule(n_groups={"conv": 3}, pool="none")
    candidate = kv.Candidate(rule, CONFIG, "signed_groups")
    assert candidate.grouping.metric == "squared_correlation"
    result = tuned("signed_groups", rule, backbone)
    assert list(result.grouping["conv"]) == [0, 1, 2, 0, 1, 2]
    start, end = backbone.module, result.backbone.module
    for layer, name, sign in [
        ("conv", "weight", -1),
        ("conv", "bias", -1),
        ("norm", "weight", 1),
        ("norm", "bias", -1),
    ]:
        old, new = (getattr(getattr(one, layer), name) for one in (start, end))
        assert not torch.equal(old[:3], new[:3])
        torch.testing.assert_close(new[3:], sign * new[:3])


def test_a_rule_that_compares_by_correlation_keeps_its_linkage():
    rule = kv.Candidate(GroupingRule(method="correlation"), CONFIG, "signed_groups").grouping
    assert (rule.method, rule.metric) == ("average", "squared_correlation")


@pytest.mark.slow
def test_signed_groups_keep_the_contract():
    check_method("signed_groups")

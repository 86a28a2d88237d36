"""Groups that are formed anew every few steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.errors import KShotError
from kshot_viz.finetune.loop import start_run
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.sharing.regrouped import Regrouped, groups_of
from kshot_viz.testing import check_method

DATA = toy_data(4, 6)
CONFIG = kv.FinetuneConfig(lr=0.1, head_lr=0.1, steps=8)
RULE = GroupingRule(n_groups=3, method="ward", metric="correlation", pool="mean")


def backbone():
    return toy_backbone(16, dtype=torch.float64)


def formed(network=None, rule=RULE):
    return rule.in_episode(network or backbone(), DATA, name="x")


def other():
    """Neighbours share a group at first, and what the rule finds follows."""
    rows = kv.Grouping.contiguous(backbone(), n_groups=3)
    return kv.Grouping(dict(rows), origin=RULE.to_dict())


def tuned(method, grouping, config=CONFIG):
    return kv.finetune(backbone(), DATA, method=method, grouping=grouping, config=config)


def same(first, second):
    states = (one.backbone.module.state_dict() for one in (first, second))
    return first.losses == second.losses and all(
        torch.equal(one, other) for one, other in zip(*(s.values() for s in states), strict=True)
    )


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adamw", "weight_decay": 0.1}])
def test_without_a_second_grouping_it_is_grouped_bit_for_bit(settings):
    groups, config = other(), CONFIG.but(**settings)
    assert same(tuned(Regrouped(every=8), groups, config), tuned("grouped", groups, config))
    assert not same(tuned(Regrouped(every=2), groups, config), tuned("grouped", groups, config))


def test_singletons_stay_plain():
    alone = kv.Grouping.singletons(backbone())
    assert same(tuned(Regrouped(every=1), alone), tuned("plain", None))


def test_the_groups_are_those_of_the_network_of_the_step():
    """Up to the second grouping it is `grouped`, and the groups are what its network gives."""
    groups = other()
    run = start_run(backbone(), DATA, Regrouped(every=5), groups, CONFIG)
    seen = {}
    for number, _, _ in run.states(0):
        seen[number] = {k: v.tolist() for k, v in groups_of(run.backbone).labels.items()}
    until = tuned("grouped", groups, CONFIG.but(steps=5)).backbone
    second = formed(until)
    assert second != groups
    assert seen[5] == {k: v.tolist() for k, v in groups.items()}
    assert seen[6] == seen[8] == {k: v.tolist() for k, v in second.items()}


def test_a_run_is_that_of_two_groupings_one_after_the_other():
    config = CONFIG.but(momentum=0.0, lr=2.0, head_lr=2.0, steps=10)
    groups = other()
    first = tuned("grouped", groups, config.but(steps=5))
    linear = first.backbone.module.get_submodule(first.backbone.head_name).linear
    head = kv.HeadInit("weights", weight=linear.weight.tolist(), bias=linear.bias.tolist())
    candidate = kv.Candidate(formed(first.backbone), config.but(steps=5)).at(head=head)
    rest = kv.finetune(
        first.backbone,
        DATA,
        method=candidate.method,
        grouping=candidate.grouping,
        config=candidate.config,
    )
    whole = tuned(Regrouped(every=5), groups, config)
    np.testing.assert_allclose(whole.losses[5:], rest.losses, rtol=1e-6)
    without = tuned("grouped", groups, config)
    assert abs(without.losses[-1] - whole.losses[-1]) > 1e-4


def test_dead_neurons_are_no_reason_for_more_groups():
    network = backbone()
    with torch.no_grad():
        network.module.conv.weight[:2] = 0
    groups = RULE.in_episode(network, DATA, name="x")
    assert groups.dead_group("conv") == 3
    run = start_run(network, DATA, Regrouped(every=1), groups, CONFIG.but(steps=2, lr=1e-9))
    list(run.states(0))
    labels = groups_of(run.backbone).labels["conv"]
    assert len(np.unique(labels)) <= 4


def test_the_result_keeps_no_images_and_saves_as_before():
    result = tuned(Regrouped(every=2), formed())
    assert set(result.backbone.module.state_dict()) == set(
        tuned("grouped", formed()).backbone.module.state_dict()
    )


def test_what_a_grouping_says_of_itself_is_taken_where_it_is_known():
    strange = {"method": ["kmeans"], "metric": "mine", "pool": {"a": 1}}
    groups = kv.Grouping(dict(other()), origin=strange)
    first, second = (tuned(Regrouped(every=2), one) for one in (groups, kv.Grouping(dict(other()))))
    assert same(first, second)


@pytest.mark.parametrize("every", [0, 2.5, "often"])
def test_unfit_options_are_refused(every):
    with pytest.raises(KShotError, match="`every` must be an integer >= 1"):
        Regrouped(every=every)


@pytest.mark.slow
def test_regrouping_keeps_the_contract():
    check_method(Regrouped(every=2))

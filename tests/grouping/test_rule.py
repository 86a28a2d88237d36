"""A rule forms groups once the images are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data
from torch import nn

from kshot_viz.activations import capture_activations
from kshot_viz.errors import KShotError
from kshot_viz.grouping.clustering.cluster import cluster_neurons
from kshot_viz.grouping.clustering.cluster_cache import weight_features
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.models.backbone import Backbone
from kshot_viz.seeds import child_seed

RULES = [
    GroupingRule(),
    GroupingRule(n_groups={"conv": np.int64(2)}, method="ward", shuffled=True),
    GroupingRule("weights", n_groups=3, max_within=0.5, min_between=0.1, dead="keep"),
    GroupingRule(given=Grouping({"conv": [0, 0, 1, 1, 2, 2]}, dead={"conv": 2})),
]


@pytest.mark.parametrize("rule", RULES)
def test_rules_survive_json(rule):
    again = GroupingRule.from_dict(json.loads(json.dumps(rule.to_dict())))
    assert again == rule
    assert again.key == rule.key


def test_every_setting_has_its_own_key():
    assert len({rule.key for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"groups_from": "queries"}, "`groups_from` must be one of 'support', 'source', 'weights'"),
        ({"method": "kmean"}, "Did you mean 'kmeans'"),
        ({"pool": "gird"}, "Did you mean 'grid'"),
        ({"dead": "drop"}, "`dead` must be one of 'separate', 'keep'"),
    ],
)
def test_a_wrong_rule_is_refused_at_once(settings, message):
    with pytest.raises(KShotError, match=message):
        GroupingRule(**settings)


def test_groups_from_the_support_are_those_of_its_activations():
    backbone, support = toy_backbone(), toy_data(3, 2)
    rule = GroupingRule(n_groups=0.5, pool="mean", method="ward")
    assert rule.bind(backbone) is rule
    made = rule.in_episode(backbone, support, name="test/3", seed=7)
    acts = capture_activations(backbone, support, pool="mean")
    seed = child_seed(7, "grouping", "test/3")
    assert made == cluster_neurons(acts, n_groups=0.5, method="ward", seed=seed)


def test_groups_from_source_images_are_made_once():
    backbone, source = toy_backbone(), toy_data(3, 2, seed=5)
    made = GroupingRule("source", n_groups=3).bind(backbone, source=source, seed=1)
    acts = capture_activations(backbone, source)
    assert made == cluster_neurons(acts, n_groups=3, seed=child_seed(1, "grouping"))
    with pytest.raises(KShotError, match="Groups from 'source' need images: give `source=`"):
        GroupingRule("source").bind(backbone)


def test_only_the_layers_of_the_mapping_are_captured():
    rule = GroupingRule(n_groups={"deep": 2})
    assert list(rule.in_episode(toy_backbone(), toy_data(2, 2), name="x")) == ["deep"]


def test_the_shuffled_null_has_the_sizes_of_the_groups_and_other_members_in_each_episode():
    backbone, support = toy_backbone(16), toy_data(3, 2)
    rule, null = (GroupingRule(n_groups=4, shuffled=shuffled) for shuffled in (False, True))
    made = [null.in_episode(backbone, support, name=name) for name in ("test/0", "test/1")]
    whole = rule.in_episode(backbone, support, name="test/0")
    assert sorted(made[0].sizes("conv")) == sorted(whole.sizes("conv"))
    assert len({made[0], made[1], whole}) == 3
    assert made[0] == null.in_episode(backbone, support, name="test/0")


def test_a_given_grouping_is_taken_as_it_is():
    backbone, given = toy_backbone(), Grouping({"conv": [0, 0, 1, 1, 2, 2]})
    rule = GroupingRule("weights", given=given)
    assert rule.bind(backbone) == given
    assert rule.in_episode(backbone, None, name="x") == given
    wrong = GroupingRule("weights", given=Grouping({"conv": [0]}))
    with pytest.raises(KShotError, match="another network"):
        wrong.bind(backbone)


# -- weights instead of activations ---------------------------------------------------------------


def test_weights_are_rows_of_the_layer_and_a_copy():
    backbone = toy_backbone()
    acts = weight_features(backbone)
    weight = backbone.module.deep.weight.detach()
    np.testing.assert_array_equal(acts["deep"], weight.flatten(1))
    np.testing.assert_allclose(acts.layer("deep").std, weight.flatten(1).double().std(1, False))
    before = acts["deep"].copy()
    with torch.no_grad():
        backbone.module.deep.weight.zero_()
    np.testing.assert_array_equal(acts["deep"], before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_weights_of_any_precision(dtype):
    acts = weight_features(toy_backbone().to(dtype))
    assert acts["conv"].dtype == (np.float64 if dtype == torch.float64 else np.float32)


def test_groups_from_weights_find_copied_filters():
    backbone = toy_backbone(8)
    weight = backbone.module.conv.weight
    with torch.no_grad():
        weight[4:] = weight[:4] * (1 + 1e-4)
    made = GroupingRule("weights", n_groups=4).bind(backbone)
    assert list(made["conv"]) == [0, 1, 2, 3, 0, 1, 2, 3]


def test_a_neuron_with_a_single_weight_is_not_dead():
    """Depthwise 1 x 1 convolutions have neurons of one weight, whose spread is nothing."""
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 1, groups=8), nn.Flatten(), nn.Linear(288, 2)
    )
    with torch.no_grad():
        net[1].weight[:4], net[1].weight[4:] = 1.0, -1.0
    backbone = Backbone(net, example=torch.rand(2, 1, 8, 8))
    made = GroupingRule("weights", n_groups={"1": 2}).bind(backbone)
    assert list(made["1"]) == [0, 0, 0, 0, 1, 1, 1, 1]
    assert made.dead_group("1") is None

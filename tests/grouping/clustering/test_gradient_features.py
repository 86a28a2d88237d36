"""Groups from the gradients that neurons get from each image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.errors import KShotError
from kshot_viz.grouping.clustering.gradient_features import gradient_features
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.models.inputs.support import prepare_support
from kshot_viz.models.logistic import logistic_head

DATA = toy_data(4, 6)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=4, n=2, val_share=0, seed=0)
SUPPORT, _ = EPISODES[0].split(DATA)


def of_one_batch(backbone, support, layer):
    """Return the gradients of all images side by side, from one forward pass."""
    data = prepare_support(backbone, support)
    network = backbone.with_new_head(len(data.classes))
    tied = list(network.tied_parameters(layer).values())
    with logistic_head(network, data):
        logits = network.module(data.inputs.clone())
        losses = torch.nn.functional.cross_entropy(logits, data.targets, reduction="none")
        each = [torch.autograd.grad(loss, tied, retain_graph=True) for loss in losses]
    rows = [
        torch.cat([one.flatten(1) if one.ndim > 1 else one[:, None] for one in image], dim=1)
        for image in each
    ]
    return torch.cat(rows, dim=1).numpy()


@pytest.mark.parametrize("layer", ["conv", "deep"])
def test_inner_products_are_those_of_the_gradients_of_all_images(layer):
    backbone = toy_backbone(dtype=torch.float64)
    found = gradient_features(backbone, SUPPORT).layer(layer)
    wanted = of_one_batch(backbone, SUPPORT, layer)
    scale = np.abs(wanted @ wanted.T).max()
    np.testing.assert_allclose(
        found.points @ found.points.T, wanted @ wanted.T, atol=1e-5 * scale, rtol=1e-5
    )
    np.testing.assert_allclose(found.mean, wanted.mean(axis=1), atol=1e-5 * np.abs(wanted).max())
    np.testing.assert_allclose(found.std, wanted.std(axis=1), rtol=1e-4)


def test_the_network_stays_as_it_is():
    backbone = toy_backbone()
    before = backbone.fingerprint
    gradient_features(backbone, SUPPORT)
    assert backbone.fingerprint == before
    assert all(one.grad is None for one in backbone.module.parameters())


def test_copied_neurons_with_equal_readers_share_a_group():
    backbone = toy_backbone(8)
    module = backbone.module
    with torch.no_grad():
        for tensor in (
            module.conv.weight,
            module.conv.bias,
            *(getattr(module.norm, one) for one in ("weight", "bias")),
            *(getattr(module.norm, one) for one in ("running_mean", "running_var")),
        ):
            tensor[4:] = tensor[:4]
        module.deep.weight[:, 4:] = module.deep.weight[:, :4]
    made = GroupingRule("gradients", n_groups={"conv": 4}).in_episode(backbone, SUPPORT, name="x")
    assert list(made["conv"]) == [0, 1, 2, 3, 0, 1, 2, 3]


def test_labels_decide():
    backbone = toy_backbone(16)
    rule = GroupingRule("gradients", n_groups=5)
    images, labels = SUPPORT.images, np.array(SUPPORT.labels)
    whole = rule.in_episode(backbone, SUPPORT, name="x")
    assert rule.in_episode(backbone, images, name="x", labels=labels) == whole
    assert rule.in_episode(backbone, images, name="x", labels=np.roll(labels, 1)) != whole
    with pytest.raises(KShotError, match="Groups from 'gradients' need labelled images"):
        rule.in_episode(backbone, images, name="x")


def test_the_pool_does_not_matter_and_the_source_is_not_asked_for():
    backbone = toy_backbone()
    first, second = (GroupingRule("gradients", n_groups=3, pool=pool) for pool in ("grid", "max"))
    made = [one.in_episode(backbone, SUPPORT, name="x") for one in (first, second)]
    assert made[0] == made[1]
    assert first.bind(backbone) is first


def test_every_door_forms_the_same_groups():
    backbone, rule = toy_backbone(), GroupingRule("gradients", n_groups=3)
    config = kv.FinetuneConfig(lr=0.05, steps=3)
    pairs = [SUPPORT, (SUPPORT.images, SUPPORT.labels)]
    first, second = (kv.finetune(backbone, one, grouping=rule, config=config) for one in pairs)
    assert first.grouping == second.grouping
    episode = EPISODES[0]
    made = rule.in_episode(backbone, SUPPORT, name=episode.name, seed=0)
    rows = kv.evaluate(
        backbone, DATA, [episode], [kv.Candidate(rule, config), kv.Candidate(made, config)]
    )
    assert rows["support_loss"].nunique() == 1
    clf = kv.KShotClassifier(
        backbone, method="grouped", groups_from="gradients", n_groups=3, steps=2
    )
    clf.fit(SUPPORT.images, np.array(SUPPORT.labels))
    formed = rule.in_episode(backbone, SUPPORT, name="fit")
    assert clf.grouping_ == formed


def test_layers_may_differ_in_what_forms_their_groups():
    backbone = toy_backbone()
    rule = GroupingRule({"conv": "gradients", "deep": "weights"}, n_groups=3)
    made = rule.bind(backbone).in_episode(backbone, SUPPORT, name="x")
    assert set(made) == {"conv", "deep"}
    alone = GroupingRule("gradients", n_groups=3).in_episode(backbone, SUPPORT, name="x")
    assert list(made["conv"]) == list(alone["conv"])

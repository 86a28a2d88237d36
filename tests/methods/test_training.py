"""What a method does to a run: hooks, heads that do not start at zero, and what it applies to."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data
from torch import nn

import kshot_viz as kv
from kshot_viz.methods.bitfit import _is_bias
from kshot_viz.models.backbone import Backbone

CONFIG = kv.FinetuneConfig(lr=0.05, head_lr=0.1, steps=4)


@pytest.fixture(scope="module")
def support():
    return toy_data(3, 4)


@dataclass(frozen=True)
class Unfreezing(kv.Method):
    """The body joins in after some steps; weights of the head are clipped."""

    name = "unfreezing"
    label = "unfreezing"
    after: int = 2

    def schedule(self, network, step):
        if step.number < self.after:
            for name in step.lr:
                if not name.startswith(network.head_name):
                    step.lr[name] = 0.0

    def after_step(self, network, step):
        with torch.no_grad():
            head = network.module.get_submodule(network.head_name).linear.weight
            head.clamp_(-0.01, 0.01)


def moved(backbone, result):
    before = dict(backbone.module.named_parameters())
    after = dict(result.backbone.module.named_parameters())
    return {name for name in before if name in after and not torch.equal(before[name], after[name])}


def test_hooks_schedule_step_sizes_and_project(support):
    backbone = toy_backbone()
    frozen = kv.finetune(backbone, support, method=Unfreezing(after=4), config=CONFIG)
    late = kv.finetune(backbone, support, method=Unfreezing(after=2), config=CONFIG)
    assert moved(backbone, frozen) == set()
    assert "conv.weight" in moved(backbone, late)
    head = late.backbone.module.get_submodule(late.backbone.head_name).linear.weight
    assert head.abs().max() <= 0.01


def at_start(support, head):
    """Return logits and features of the support before the first step, (N, way) and (N, width)."""
    method = kv.Candidate(method="plain").at(head=head).method
    none = kv.FinetuneConfig(steps=0)
    result = kv.finetune(toy_backbone(), support, method=method, config=none)
    features = []
    linear = result.backbone.module.get_submodule(result.backbone.head_name).linear
    hook = linear.register_forward_pre_hook(lambda _, given: features.append(given[0]))
    logits = result.logits(support.images)
    hook.remove()
    return logits, features[0]


def test_a_head_at_the_class_means_is_the_nearest_mean_classifier(support):
    logits, found = at_start(support, kv.HeadInit("class_means"))
    means = torch.stack([found[torch.tensor(support.targets == c)].mean(0) for c in range(3)])
    nearest = torch.cdist(found, means).argmin(dim=1)
    np.testing.assert_array_equal(logits.argmax(dim=1).numpy(), nearest.numpy())


def test_an_imprinted_head_gives_scaled_cosines_to_the_class_means(support):
    logits, found = at_start(support, kv.HeadInit("imprinted", scale=4.0))
    lengths = found.norm(dim=1, keepdim=True)
    directions = found / lengths
    means = [directions[torch.tensor(support.targets == c)].mean(0) for c in range(3)]
    cosines = torch.stack([directions @ (one / one.norm()) for one in means], dim=1)
    torch.testing.assert_close(logits, 4 * cosines * lengths / lengths.mean())
    default, _ = at_start(support, kv.HeadInit("imprinted"))
    torch.testing.assert_close(default, 2.5 * logits)
    nearest = kv.finetune(toy_backbone(), support, method="nearest_mean").logits(support.images)
    np.testing.assert_array_equal(logits.argmax(dim=1), nearest.argmax(dim=1))


def test_features_of_zero_imprint_a_head_of_zero():
    backbone = toy_backbone()
    with torch.no_grad():
        for parameter in backbone.module.parameters():
            parameter.zero_()
    images, labels = np.zeros((3, 8, 8, 1), np.uint8), ["a", "b", "c"]
    data = kv.ImageDataset.from_arrays(images, labels)
    method = kv.Candidate(method="plain").at(head=kv.HeadInit("imprinted")).method
    result = kv.finetune(backbone, data, method=method, config=kv.FinetuneConfig(steps=1))
    assert not result.diverged


def test_given_weights_are_taken_and_checked(support):
    backbone = toy_backbone()
    weight = np.arange(3 * backbone.feature_dim).reshape(3, -1).tolist()
    candidate = kv.Candidate(method="head_only").at(head=kv.HeadInit("weights", weight))
    again = kv.Candidate.from_dict(candidate.to_dict())
    assert again.key == candidate.key
    result = kv.finetune(backbone, support, method=again.method, config=kv.FinetuneConfig(steps=0))
    linear = result.backbone.module.get_submodule(result.backbone.head_name).linear
    assert linear.weight.tolist() == weight
    wrong = kv.Candidate(method="head_only").at(head=kv.HeadInit("weights", [[1.0], [2.0]])).method
    with pytest.raises(kv.KShotError, match=r"have shape \(3, 8\); those given have \(2, 1\)"):
        kv.finetune(backbone, support, method=wrong)
    for options in (
        *({"kind": "ones"}, {"kind": "weights"}, {"weight": [[1.0]]}, {"bias": [1.0]}),
        *({"scale": 2.0}, {"kind": "imprinted", "scale": 0.0}, {"kind": "imprinted", "scale": "a"}),
    ):
        with pytest.raises(kv.KShotError):
            kv.HeadInit(**options)


def test_a_method_that_does_not_apply_says_why(support):
    bare = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    backbone = Backbone(bare, example=torch.rand(2, 1, 8, 8))
    reason = "neither biases nor normalisation parameters"
    with pytest.raises(kv.KShotError, match=reason):
        kv.finetune(backbone, support, method="bitfit")
    episodes = kv.sample_episodes(toy_data(3, 12), way=3, shot=1, query=5, n=1, val_share=0, seed=0)
    with pytest.raises(kv.KShotError, match=reason):
        kv.evaluate(backbone, toy_data(3, 12), episodes, [kv.Candidate(method="bitfit")])


def test_bitfit_moves_biases_and_norms_alone(support):
    backbone = toy_backbone()
    result = kv.finetune(backbone, support, method="bitfit", config=CONFIG)
    assert moved(backbone, result) == {"conv.bias", "norm.weight", "norm.bias", "deep.bias"}


def test_a_table_of_relative_positions_is_no_bias():
    names = ["bias", "in_proj_bias", "bias_ih_l0", "weight", "relative_position_bias_table"]
    assert [one for one in names if _is_bias(one)] == names[:3]


def test_a_rule_forms_the_groups_of_a_run(support):
    backbone = toy_backbone()
    rule = kv.GroupingRule(n_groups=2)
    result = kv.finetune(backbone, support, method="grouped", grouping=rule, config=CONFIG)
    assert result.grouping.n_groups("conv") == 2
    given = kv.finetune(backbone, support, method="shuffled", grouping=result.grouping, seed=3)
    assert given.grouping != result.grouping
    sizes = [np.bincount(one["conv"]).tolist() for one in (given.grouping, result.grouping)]
    assert sorted(sizes[0]) == sorted(sizes[1])


def test_bitfit_knows_norms_by_their_class_and_by_their_name():
    class RmsNorm2d(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 1, 1))

        def forward(self, x):
            return self.weight * x / x.square().mean(dim=1, keepdim=True).add(1e-6).sqrt()

    body = nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), RmsNorm2d(), nn.Flatten(), nn.RMSNorm(12))
    network = kv.Backbone(
        nn.Sequential(OrderedDict(body=body, head=nn.Linear(12, 2))),
        head="head",
        example=torch.rand(2, 1, 4, 4),
    )
    images, labels = np.random.default_rng(0).random((4, 1, 4, 4)).astype(np.float32), [0, 0, 1, 1]
    result = kv.finetune(network, (images, labels), method="bitfit", config=CONFIG)
    assert moved(network, result) == {"body.1.weight", "body.3.weight"}

"""Input channels that activate alike share a gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data
from torch import nn

import kshot_viz as kv
from kshot_viz.errors import KShotError
from kshot_viz.methods.sharing.input_groups import InputGroups, InputTies, layers_before
from kshot_viz.methods.sharing.ties import Ties
from kshot_viz.models.backbone import Backbone
from kshot_viz.testing import check_method

DATA = toy_data(4, 6)
CONFIG = kv.FinetuneConfig(lr=0.05, head_lr=0.1, steps=8)
GROUPS = kv.Grouping({"conv": [0, 1, 0, 2, 1, 0], "deep": [0, 0, 1, 1, 2, 2, 3, 3]})


def tuned(method, grouping=GROUPS, **settings):
    network = toy_backbone(dtype=torch.float64)
    return kv.finetune(
        network, DATA, method=method, grouping=grouping, config=CONFIG.but(**settings)
    )


def moved(result, name):
    start = toy_backbone(dtype=torch.float64).module.get_parameter(name)
    return (result.backbone.module.get_parameter(name) - start).detach()


@pytest.mark.parametrize("outputs", [False, True])
@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam", "weight_decay": 0.1}])
def test_singletons_are_plain_bit_for_bit(outputs, settings):
    alone = kv.Grouping.singletons(toy_backbone())
    first = tuned(InputGroups(outputs=outputs), alone, **settings)
    assert first.losses == tuned("plain", None, **settings).losses


def test_groups_of_outputs_alone_are_grouped_bit_for_bit():
    """Where no layer before is grouped, groups of outputs are all that is left."""
    deep = GROUPS.only(["deep"])
    assert tuned(InputGroups(outputs=True), deep).losses == tuned("grouped", deep).losses
    assert tuned(InputGroups(), deep).losses == tuned("plain", None).losses


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("outputs", [False, True])
def test_weights_of_a_group_of_channels_move_alike(optimizer, outputs):
    result = tuned(InputGroups(outputs=outputs), optimizer=optimizer, weight_decay=0.1)
    deep, labels = moved(result, "deep.weight"), GROUPS["conv"]
    assert deep.abs().max() > 0
    for label in np.unique(labels):
        inside = deep[:, labels == label]
        torch.testing.assert_close(inside, inside[:, :1].expand_as(inside), rtol=0, atol=1e-12)
    neurons = deep[GROUPS["deep"] == 0]
    alike = torch.allclose(neurons[0], neurons[1], rtol=0, atol=1e-12)
    assert alike == outputs
    # The first layer has no layer before it.
    first = moved(result, "conv.weight")[GROUPS["conv"] == 0]
    assert torch.allclose(first, first[:1].expand_as(first), rtol=0, atol=1e-12) == outputs


def test_a_gradient_is_averaged_over_both_axes():
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3, 2)))
    share = InputTies(Ties([0, 1, 0]), Ties([0, 0, 1, 1]))
    wanted = rows.clone()
    for pair in ([0, 1], [2, 3]):
        wanted[pair] = rows[pair].mean(dim=0)
    wanted[:, [0, 2]] = wanted[:, [0, 2]].mean(dim=1, keepdim=True)
    torch.testing.assert_close(share(rows), wanted)
    torch.testing.assert_close(share.pull(rows), wanted)
    torch.testing.assert_close(share(share(rows)), wanted)
    total = InputTies(Ties([0, 1, 0], reduce="sum"))
    torch.testing.assert_close(total(rows)[:, 0], rows[:, 0] + rows[:, 2])
    torch.testing.assert_close(total.pull(rows)[:, 0], (rows[:, 0] + rows[:, 2]) / 2)


def test_the_layer_before_has_as_many_neurons_as_channels():
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.Conv2d(4, 6, 1),
        nn.Flatten(),
        nn.Linear(6 * 16, 5),
        nn.Linear(5, 7),
        nn.Linear(7, 2),
    )
    backbone = Backbone(net, example=torch.rand(2, 1, 8, 8))
    assert layers_before(backbone) == {"2": "1", "5": "4"}


def test_unfit_options_are_refused():
    with pytest.raises(KShotError, match="`outputs` must be True or False; not 'both'"):
        InputGroups(outputs="both")


@pytest.mark.slow
@pytest.mark.parametrize("outputs", [False, True])
def test_input_groups_keep_the_contract(outputs):
    check_method(InputGroups(outputs=outputs))

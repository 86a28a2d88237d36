"""A share of a neuron's own gradient, and factors on the mean of its group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from by_hand import same_rows
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.errors import KShotError
from kshot_viz.methods.grouped import Grouped, Shuffled
from kshot_viz.methods.sharing.ties import MixedTies, Mixing, Ties
from kshot_viz.testing import check_method

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=6, n=2, seed=0)
SUPPORT, _ = EPISODES[0].split(DATA)
CONFIG = kv.FinetuneConfig(lr=0.02, head_lr=0.1, steps=6)
GROUPS = kv.Grouping({"conv": [0, 1, 0, 2, 1, 0], "deep": [0, 0, 1, 1, 2, 2, 3, 3]})
LABELS = np.array([0, 1, 0, 2, 1, 0])


def tuned(method, config=CONFIG, groups=GROUPS):
    grouping = None if method == "plain" else groups
    return kv.finetune(toy_backbone(), SUPPORT, method=method, grouping=grouping, config=config)


def same(first, second):
    states = (one.backbone.module.state_dict() for one in (first, second))
    pairs = zip(*(state.values() for state in states), strict=True)
    return first.losses == second.losses and all(torch.equal(*pair) for pair in pairs)


def gradient(shape=(6, 5), seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def mixed(own=0.0, scale="none"):
    return MixedTies(Ties(LABELS), Mixing(own, scale))


# -- identities ------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_only_its_own_gradient_is_plain_bit_for_bit(optimizer, decay):
    config = CONFIG.but(optimizer=optimizer, weight_decay=decay)
    assert same(tuned(Grouped(own=1.0), config), tuned("plain", config))
    assert not same(tuned(Grouped(own=0.5), config), tuned("plain", config))


def test_no_own_gradient_is_todays_candidate_on_todays_path():
    old, new = kv.Candidate(GROUPS, CONFIG, "grouped"), kv.Candidate(GROUPS, CONFIG, Grouped(own=0))
    assert old.key == new.key
    assert new.to_dict()["method"] == {"name": "grouped", "options": {}}
    assert new.method.batched
    rows = kv.evaluate(toy_backbone(), DATA, EPISODES, [new], path="fast")
    assert set(rows["status"]) == {"ok"}


def test_singletons_are_plain_whatever_is_mixed():
    alone = kv.Grouping.singletons(toy_backbone())
    for method in (Grouped(own=0.3), Grouped(scale="root")):
        candidates = [kv.Candidate(alone, CONFIG, method), kv.Candidate(None, CONFIG, "plain")]
        rows = kv.evaluate(toy_backbone(), DATA, EPISODES, candidates, path="loop")
        losses = rows.pivot(index="episode", columns="method", values="support_loss")
        np.testing.assert_allclose(losses["grouped"], losses["plain"], rtol=1e-5)


def test_mixing_is_linear_between_own_and_mean():
    own = gradient()
    half = mixed(own=0.25)(own)
    torch.testing.assert_close(half, 0.25 * own + 0.75 * Ties(LABELS)(own))
    torch.testing.assert_close(mixed(own=0.25).pull(own), half)


def test_a_step_is_that_of_the_mixed_gradient():
    """One step of SGD without momentum moves by a mixture of what plain and groups move by."""
    config = CONFIG.but(steps=2, momentum=0.0)
    start = kv.finetune(toy_backbone(), SUPPORT, method="plain", config=config.but(steps=1))
    # The head starts at zero and passes no gradient on in the first step.
    before = start.backbone.module.conv.weight
    plain, grouped, between = (
        tuned(one, config).backbone.module.conv.weight - before
        for one in ("plain", "grouped", Grouped(own=0.3))
    )
    torch.testing.assert_close(between, 0.3 * plain + 0.7 * grouped, rtol=1e-4, atol=1e-7)


def test_the_root_lies_between_mean_and_sum():
    own = gradient((6, 2, 3))
    mean, total = Ties(LABELS)(own), Ties(LABELS, reduce="sum")(own)
    root = mixed(scale="root")(own)
    torch.testing.assert_close(root**2, mean * total)
    torch.testing.assert_close(mixed(scale="root").pull(own), Ties(LABELS).pull(own))


@pytest.mark.parametrize("shape", [(6,), (6, 5), (6, 2, 3)])
def test_means_become_as_long_as_members_are_on_average(shape):
    own = gradient(shape)
    scaled, mean = mixed(scale="norm")(own), Ties(LABELS)(own)
    lengths = [one.reshape(6, -1).norm(dim=1) for one in (own, scaled)]
    for label in range(3):
        inside = torch.from_numpy(label == LABELS)
        assert torch.equal(scaled[inside], scaled[inside][:1].expand_as(scaled[inside]))
        usual = lengths[0][inside].mean()
        torch.testing.assert_close(lengths[1][inside], usual.expand(int(inside.sum())))
    # The direction stays.
    torch.testing.assert_close(
        scaled / lengths[1].view(-1, *[1] * (len(shape) - 1)),
        mean / mean.reshape(6, -1).norm(dim=1).view(-1, *[1] * (len(shape) - 1)),
    )


def test_members_that_cancel_out_stay():
    own = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])
    ties = MixedTies(Ties([0, 0]), Mixing(scale="norm"))
    assert torch.equal(ties(own), torch.zeros(2, 2))


def test_the_null_takes_the_same_options():
    null = kv.Candidate(GROUPS, CONFIG, Shuffled(own=0.2, scale="norm"))
    assert null.grouping.shuffled
    assert null.method.options() == {"own": 0.2, "scale": "norm"}


# -- refusals and the contract ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"own": 1.5}, "`own` must be from 0 to 1; not 1.5"),
        ({"own": "half"}, "`own` must be"),
        ({"scale": ["root"]}, "`scale` must be a text"),
        ({"scale": "size"}, "`scale` must be one of 'none', 'root', 'norm'"),
    ],
)
def test_unfit_options_are_refused(options, message):
    with pytest.raises(KShotError, match=message):
        Grouped(**options)


@dataclass(frozen=True)
class ChosenShare(Grouped):
    """The share of the own gradient is chosen with the step sizes."""

    name = "chosen_share"
    label = "chosen share"
    tuned = ("lr", "head_lr", "own")
    tries: ClassVar = {"own": (0.0, 0.1, 0.3)}


def test_a_method_may_have_its_share_chosen():
    grid = kv.TuningGrid(lrs=(0.01, 0.02), head_lrs=(0.1,))
    tried = grid.candidates(kv.Candidate(GROUPS, CONFIG, ChosenShare()))
    assert len(tried) == 6
    assert [one.method.batched for one in tried] == [True, False, False] * 2
    assert "own" not in Grouped.tuned


def test_a_gradient_is_not_scaled_twice():
    with pytest.raises(KShotError, match="`scale` must be 'none' where `reduce` is 'sum'"):
        tuned(Grouped(scale="root"), CONFIG.but(reduce="sum"))


@pytest.mark.parametrize("options", [{"own": 0.2}, {"scale": "root"}, {"scale": "norm"}])
def test_the_fast_path_declines(options):
    candidate = kv.Candidate(GROUPS, CONFIG, Grouped(**options))
    with pytest.raises(KShotError, match="path='fast' is not possible"):
        kv.evaluate(toy_backbone(), DATA, EPISODES, [candidate], path="fast")


@pytest.mark.slow
@pytest.mark.parametrize("method", [Grouped(own=0.2), Grouped(own=0.1, scale="norm")])
def test_mixed_groups_keep_the_contract(method):
    check_method(method)


def test_a_name_and_its_options_give_equal_rows():
    candidates = [
        kv.Candidate(GROUPS, CONFIG, Grouped(own=0.0), "zero"),
        kv.Candidate(GROUPS, CONFIG, "grouped", "named"),
    ]
    rows = kv.evaluate(toy_backbone(), DATA, EPISODES, candidates)
    rows["method"] = rows["name"] if "name" in rows else rows["method"]
    assert same_rows(rows, "zero", "named")

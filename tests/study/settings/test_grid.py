"""Which settings a method may choose from."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data

from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.study.settings.grid import TuningGrid

GRID = TuningGrid(lrs=(0.1, 0.01), head_lrs=(0.3,), head_only_lrs=(1.0, 0.2), steps=(8, 2, 2))
HEAD = Candidate(None, method="head_only")
PLAIN = Candidate(None, FinetuneConfig(momentum=0.5))


def test_values_ascend_and_are_distinct():
    assert GRID.lrs == (0.01, 0.1)
    assert GRID.steps == (2, 8)
    assert GRID.last == 8


def test_a_moving_body_tries_every_pair_for_the_longest_run():
    tried = [one.config for one in GRID.candidates(PLAIN)]
    assert [(c.lr, c.head_lr, c.steps) for c in tried] == [(0.01, 0.3, 8), (0.1, 0.3, 8)]
    assert {c.momentum for c in tried} == {0.5}


def test_a_lone_head_has_step_sizes_of_its_own():
    tried = [one.config for one in GRID.candidates(HEAD)]
    assert [(c.head_lr, c.steps) for c in tried] == [(0.2, 8), (1.0, 8)]
    assert {c.lr for c in tried} == {HEAD.config.lr}


def test_the_step_size_that_is_drawn():
    axes = [one.method.axis for one in (HEAD, PLAIN, Candidate(GroupingRule()))]
    assert axes == ["head_lr", "lr", "lr"]


def test_names_and_methods_stay():
    mine = Candidate(GroupingRule(), name="mine")
    assert {(one.name, one.method.name) for one in GRID.candidates(mine)} == {("mine", "grouped")}
    assert mine.at(lr=0.5, steps=3).config == mine.config.but(lr=0.5, steps=3)


def test_the_grid_knows_its_settings():
    for contender in (HEAD, PLAIN):
        assert all(GRID.holds(one) for one in GRID.candidates(contender))
        assert GRID.holds(GRID.candidates(contender)[0].at(steps=2))
        assert not GRID.holds(GRID.candidates(contender)[0].at(steps=5))
    assert not GRID.holds(GRID.candidates(PLAIN)[0].at(lr=0.02))
    assert not GRID.holds(GRID.candidates(HEAD)[0].at(head_lr=0.3))


# ---- step sizes in units of the features ------------------------------------------------------

BY_FEATURES = TuningGrid(
    lrs=(0.01, 0.1), head_lrs=(0.02, 0.2), feature_steps=(10, 1), steps=(2, 8), unit=1 / 300
)


def test_heads_on_features_have_step_sizes_in_units_of_their_length():
    assert [one.config.head_lr for one in BY_FEATURES.candidates(HEAD)] == [0.00333, 0.0333]
    assert {one.config.head_lr for one in BY_FEATURES.candidates(PLAIN)} == {0.00333, 0.0333}
    cosine = BY_FEATURES.candidates(Candidate(None, method="cosine_head"))
    assert all(one.config.head_lr in BY_FEATURES.head_only_lrs for one in cosine)


def test_the_unit_is_one_over_the_mean_squared_length():
    backbone, images = toy_backbone(), toy_data(3, 4)
    features = penultimate_features(backbone, images)
    found = replace(BY_FEATURES, unit=0.0).measured(backbone, images)
    assert found.unit == pytest.approx(1 / features.square().sum(1).mean().item())
    assert GRID.measured(backbone, images) is GRID
    with torch.no_grad():
        for parameter in backbone.module.parameters():
            parameter.zero_()
    assert replace(BY_FEATURES, unit=0.0).measured(backbone, images).unit == 1.0


def test_without_a_unit_there_are_no_sizes():
    with pytest.raises(KShotValueError, match="measured"):
        replace(BY_FEATURES, unit=0.0).candidates(PLAIN)


def test_settings_that_correspond_have_one_name():
    other = replace(BY_FEATURES, unit=1 / 7)
    for rival in (PLAIN, HEAD):
        here, there = (
            [grid.across(one) for one in grid.candidates(rival)] for grid in (BY_FEATURES, other)
        )
        assert here == there
        assert len(set(here)) == len(here)
    assert json.loads(other.across(other.candidates(HEAD)[0]))["step"] == 1
    # A size of a candidate's own corresponds to none of another network, though it be a step's.
    own = PLAIN.at(head_lr=1.0)
    assert BY_FEATURES.across(own) != other.across(own)
    assert BY_FEATURES.across(own) not in here
    # A head of its own has the same sizes everywhere.
    cosine = other.candidates(Candidate(None, method="cosine_head"))[0]
    assert json.loads(other.across(cosine)) == {"head_lr": cosine.config.head_lr}
    given = {name: PLAIN.setting(name) for name in ("lr", "head_lr")}
    assert json.loads(GRID.across(PLAIN)) == given


def test_wrong_steps_are_named():
    for wrong in ((0,), (-1.0,), ("a",), 3):
        with pytest.raises(KShotValueError, match="feature_steps"):
            TuningGrid(feature_steps=wrong)
    assert TuningGrid(feature_steps=[]) == TuningGrid()
    assert TuningGrid(feature_steps=np.array([1, 10])).feature_steps == (1, 10)


def test_steps_that_round_to_one_size_are_one():
    assert len(replace(BY_FEATURES, feature_steps=(1, 1.0001)).candidates(HEAD)) == 1


def test_every_second_step_of_a_thinned_grid():
    assert replace(BY_FEATURES, feature_steps=(1, 3, 10)).thinned().feature_steps == (1, 10)
    assert BY_FEATURES.thinned().feature_steps == (1, 10)


def test_a_grid_survives_json():
    assert TuningGrid.from_dict(json.loads(json.dumps(BY_FEATURES.to_dict()))) == BY_FEATURES
    assert TuningGrid.from_dict(json.loads(json.dumps(GRID.to_dict()))) == GRID
    assert json.loads(json.dumps(GRID.to_dict())) == GRID.to_dict()


@pytest.mark.parametrize("name", ["lrs", "head_lrs", "head_only_lrs", "steps"])
@pytest.mark.parametrize(
    "wrong", [(), (0,), (-1, 2), 0.1, (float("nan"),), (float("inf"), 1), ("a",), None]
)
def test_a_grid_holds_positive_numbers(name, wrong):
    with pytest.raises(KShotValueError, match=f"`{name}` must be one or more positive numbers"):
        TuningGrid(**{name: wrong})


def test_steps_are_whole():
    with pytest.raises(KShotValueError, match=r"`steps` must be whole numbers; not \(1.5,\)"):
        TuningGrid(steps=(1.5,))


def test_two_values_are_not_thinned_to_one():
    found = TuningGrid(lrs=(0.001, 0.003, 0.01), head_lrs=(0.01, 0.1)).thinned()
    assert (found.lrs, found.head_lrs) == ((0.001, 0.01), (0.01, 0.1))


def test_a_ready_candidate_is_tried_at_its_own_settings():
    assert [one.config.lr for one in GRID.beside(PLAIN.at(lr=0.02))] == [0.02]
    assert GRID.beside(GRID.candidates(PLAIN)[0]) == []

"""Which settings a method may choose from."""

from __future__ import annotations

import json

import pytest

from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.config import FinetuneConfig
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


def test_a_grid_survives_json():
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

"""What is known from other tasks: means over data sets, at the nearest number of shots."""

from __future__ import annotations

import pytest
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.study.recommendation import prior
from kshot_viz.study.recommendation.prior import mean_regrets, shipped_prior
from kshot_viz.study.recommendation.safe import safe_candidates


def row(data, shot, method, regret, backbone="net"):
    return {"data": data, "backbone": backbone, "shot": shot, "method": method, "regret": regret}


ROWS = (
    row("a", 1, "plain", 2.0),
    row("a", 1, "plain", 4.0, "other"),
    row("b", 1, "plain", 1.0),
    row("c", 1, "plain", 2.0),
    row("a", 1, "nearest_mean", 3.0),
    row("a", 5, "plain", 10.0),
    row("b", 5, "plain", 10.0),
    row("c", 5, "plain", 10.0),
    row("b", 20, "plain", 20.0),
    row("c", 20, "plain", 20.0),
)


def test_data_sets_count_the_same_however_many_networks_they_have():
    assert mean_regrets(ROWS, 1) == {"plain": 2.0, "nearest_mean": 3.0}


@pytest.mark.parametrize(
    ("shot", "wanted"), [(1, 2.0), (2, 2.0), (3, 10.0), (9, 10.0), (12, 10.0), (500, 10.0)]
)
def test_the_nearest_number_of_shots_with_enough_data_sets_counts(shot, wanted):
    assert mean_regrets(ROWS, shot)["plain"] == wanted
    more = (*ROWS, row("a", 20, "plain", 20.0))
    assert mean_regrets(more, 12)["plain"] == 20.0


def test_data_may_be_left_out():
    more = (*ROWS, row("d", 1, "plain", 3.0))
    assert mean_regrets(more, 1, without="a") == {"plain": 2.0}
    assert mean_regrets(ROWS[:2], 1, without="a") == {}
    # Where no number of shots has enough, the nearest of all counts.
    assert mean_regrets(ROWS, 9, without="a") == {"plain": 10.0}


def test_without_a_prior_that_is_given_the_shipped_one_decides(monkeypatch):
    monkeypatch.setattr(prior, "_rows", lambda: ROWS)
    support = toy_data(3, 1)
    assert kv.recommend(toy_backbone(), support).method == "plain"
    assert kv.recommend(toy_backbone(), support, prior={}).method == "nearest_mean"


def test_what_is_shipped_names_candidates_and_regrets():
    known = {one.method.name for one in safe_candidates(toy_backbone(), toy_data(3, 2))}
    for shot in (1, 5, 20):
        found = shipped_prior(shot)
        assert set(found) <= known
        assert all(value > -5 for value in found.values())

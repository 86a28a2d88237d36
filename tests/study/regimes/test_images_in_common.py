"""Tasks on the same images count as one data set, and none of them chooses settings for another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.data.transforms import inverted, only_classes, rotated
from kshot_viz.errors import KShotValueError
from kshot_viz.study.regimes.ranks import average_ranks
from kshot_viz.study.regimes.same_images import data_sets, share_images

DATA = replace(toy_data(4, 9), name="whole")
OTHER = replace(toy_data(4, 9, seed=1), name="other")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (OTHER, False),
        (replace(OTHER, name="whole"), True),
        (replace(DATA, name="renamed"), True),
        (DATA.take([0, 5, 30]), True),
        (only_classes(DATA, ["c0", "c1"]), True),
        (inverted(DATA), True),
        (rotated(inverted(DATA)), True),
        (inverted(OTHER), False),
    ],
)
def test_the_same_images_are_told_under_any_name(other, same):
    assert share_images(DATA, other) == share_images(other, DATA) == same


def test_variants_of_one_data_set_share_their_images():
    assert share_images(inverted(DATA), rotated(DATA))
    assert not share_images(inverted(DATA), inverted(OTHER))


def test_each_name_has_the_first_one_of_its_images():
    first, second = only_classes(DATA, ["c0", "c1"]), only_classes(DATA, ["c2", "c3"])
    assert data_sets([first, OTHER, second]) == {
        one.name: one.name for one in (first, OTHER, second)
    }
    # The whole shares images with both halves, and so makes them one.
    assert data_sets([first, OTHER, second, DATA]) == {
        first.name: first.name, "other": "other", second.name: first.name, "whole": first.name,
    }  # fmt: skip


def test_blind_has_nothing_to_choose_on_where_tasks_are_variants_of_one_data_set():
    given = {"shots": (1,), "query": 4, "episodes": 4}
    tasks = [kv.StudyTask(toy_backbone(), one, **given) for one in (DATA, inverted(DATA))]
    with pytest.raises(KShotValueError, match="on other images"):
        kv.study(tasks, methods=["nearest_mean"], regimes=["blind"])


def test_ranks_count_a_data_set_once():
    accuracy = {("a", 1): (0.9, 0.8, 0.7), ("a", 5): (0.9, 0.8, 0.7), ("b", 1): (0.6, 0.8, 0.9)}
    rows = [
        {"data": data, "backbone": "n", "way": 3, "shot": shot, "method": method, "accuracy": one,
         "regime": "many", "rule": "best"}
        for (data, shot), each in accuracy.items()
        for method, one in zip("xyz", each, strict=True)
    ]  # fmt: skip
    ranks = average_ranks(pd.DataFrame(rows), "many", "best", {"a": "a", "b": "b"})
    assert ranks.average.to_dict() == {"x": 2.0, "y": 2.0, "z": 2.0}
    assert (ranks.tasks, ranks.data_sets) == (3, 2)
    alone = average_ranks(pd.DataFrame(rows), "many", "best", {"a": "a", "b": "a"})
    assert alone.data_sets == 1
    assert np.isnan([alone.difference, alone.p_value]).all()

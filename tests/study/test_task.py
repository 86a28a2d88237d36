"""The key that tables are grouped by."""

from __future__ import annotations

import pandas as pd
from networks import toy_backbone

from kshot_viz.study.task import TASK, Task, tasks_of


def test_tasks_are_distinct_and_in_order(episodes):
    name = toy_backbone().name
    found = tasks_of(episodes, toy_backbone())
    assert found == [Task(episodes[0].data_name, name, 3, shot) for shot in (1, 3)]
    assert [one.shot for one in found[1].episodes(episodes)] == [3, 3]


def test_two_data_sets_of_one_size_are_two_tasks():
    rows = [("a", "net", 3, 1, 0.5), ("b", "net", 3, 1, 0.7), ("a", "other", 3, 1, 0.9)]
    frame = pd.DataFrame(rows, columns=[*TASK, "accuracy"])
    task = Task.of(frame.iloc[1])
    assert task == Task("b", "net", 3, 1)
    assert list(task.rows(frame).accuracy) == [0.7]

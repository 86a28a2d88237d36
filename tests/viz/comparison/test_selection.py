from __future__ import annotations

import pandas as pd
import pytest

from kshot_viz.errors import KShotValueError
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.task import Task
from kshot_viz.viz.comparison.selection import (
    ComparisonLike,
    by_task,
    of_shot,
    of_way,
    only_task,
    ordered_methods,
    records,
    task_name,
)

FRAME = pd.DataFrame(
    {
        "data": "digits",
        "backbone": "net",
        "way": [5, 5, 10],
        "shot": [5, 1, 1],
        "method": ["mine", "grouped", "plain"],
    }
)


def test_a_comparison_has_the_part_that_is_shown() -> None:
    missing = [name for name in vars(ComparisonLike) if name in {"summary", "curve"}]
    assert all(hasattr(Comparison, name) for name in missing)
    assert {"settings", "manifest"} <= set(Comparison.__dataclass_fields__)


def test_rows_of_one_task_are_taken() -> None:
    assert of_way(FRAME, 5)["shot"].tolist() == [5, 1]
    assert of_way(FRAME.query("way == 10"), None)["way"].tolist() == [10]
    assert of_shot(FRAME, None)["method"].tolist() == ["grouped", "plain"]
    assert of_shot(FRAME, 5)["method"].tolist() == ["mine"]


def test_tasks_that_are_not_there_are_refused() -> None:
    with pytest.raises(KShotValueError, match=r"`way` must be given, one of \[5, 10\]"):
        of_way(FRAME, None)
    with pytest.raises(KShotValueError, match=r"`way` must be one of \[5, 10\]; not 7"):
        of_way(FRAME, 7)
    with pytest.raises(KShotValueError, match=r"`shot` must be one of \[1, 5\]; not 2"):
        of_shot(FRAME, 2)
    with pytest.raises(KShotValueError, match="no rows"):
        of_way(FRAME[:0], None)


def test_rows_are_grouped_by_task_in_ascending_order() -> None:
    found = [(task.way, task.shot, *rows["method"]) for task, rows in by_task(FRAME)]
    assert found == [(5, 1, "grouped"), (5, 5, "mine"), (10, 1, "plain")]
    assert list(by_task(FRAME[:0])) == []


def test_the_only_task_of_a_frame() -> None:
    task = only_task(FRAME[2:])
    assert task == Task("digits", "net", 10, 1)
    assert task_name(task) == "10 classes, 1 shot"
    with pytest.raises(KShotValueError, match="these rows are of 3"):
        only_task(FRAME)


def test_methods_and_rows_of_a_frame() -> None:
    assert ordered_methods(FRAME) == ["plain", "grouped", "mine"]
    assert records(FRAME[["way", "method"]])[0] == {"way": 5, "method": "mine"}

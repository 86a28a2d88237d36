"""Which methods collapsed, and from which step size, in sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from kshot_viz.viz import findings_text
from kshot_viz.viz.report.collapse_findings import collapse_findings

NULL = "not which neurons share a group"


@dataclass(frozen=True)
class Counted:
    counts: pd.DataFrame

    def collapses(self) -> pd.DataFrame:
        return self.counts


def found(sizes: tuple[float, ...] = (0.01, 0.1), **first: float | None) -> str:
    """Return the sentence for methods that collapsed from a step size on, or nowhere."""
    rows = [
        {"data": "d", "backbone": "b", "way": 10, "shot": 1, "method": method, "step_size": size}
        | {"n": 6, "collapsed": int(begin is not None and size >= begin)}
        for method, begin in first.items()
        for size in sizes
    ]
    (line,) = collapse_findings(Counted(pd.DataFrame(rows)))
    return line


def test_the_first_collapsed_step_size_is_named() -> None:
    assert found(plain=0.01, grouped=0.1, last_block=None) == (
        "10 classes, 1 shot: the smallest step size with a collapsed tuning run: plain 0.01, "
        "groups 0.1. None collapsed with last block, up to 0.1."
    )


def test_nothing_collapsed() -> None:
    text = found(plain=None, grouped=None)
    assert text == "10 classes, 1 shot: no tuning run collapsed with plain and groups, up to 0.1."


def test_the_step_size_of_the_head_is_no_step_size_of_the_body() -> None:
    assert "head only" not in found(plain=0.01, head_only=0.1)
    task = {"data": "d", "backbone": "b", "way": 2, "shot": 1, "n": 1, "collapsed": 1}
    alone = pd.DataFrame([{**task, "method": "head_only", "step_size": 1.0}])
    assert collapse_findings(Counted(alone)) == []


def test_a_null_that_holds_as_far_is_named() -> None:
    assert NULL in found(plain=0.01, grouped=None, shuffled=None)
    assert NULL in found(plain=0.01, grouped=0.1, shuffled=None)
    assert NULL not in found(plain=0.01, grouped=None, shuffled=0.1)
    assert NULL not in found(plain=None, grouped=None, shuffled=None)
    assert NULL not in found(grouped=None, shuffled=None)


def test_the_findings_are_those_of_accuracy_and_of_collapse(make: Callable) -> None:
    lines = findings_text(make(shots=(1,))).replace("\n", " ")
    assert lines.startswith("10 classes, 1 shot: no method differs clearly")
    assert "the smallest step size with a collapsed tuning run: plain 0.03." in lines
    assert max(map(len, findings_text(make()).splitlines())) <= 80

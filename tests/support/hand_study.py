"""A study of two tasks whose every row is written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from networks import toy_data
from small_comparison import ANSWERS, RIGHT, SETTING, episode, hand_made, row

from kshot_viz.finetune.candidate import Candidate
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.regimes.choices import CHOSEN
from kshot_viz.study.regimes.study import Study

# What each regime chose: the first size is that of the hand-made comparison.
SIZES = {"blind": 0.01, "few": 0.01, "many": 0.001, "own": 0.01}
LARGE = {"plain": (RIGHT, RIGHT, (0, 0, 1, 1, 2, 0)), "grouped": ANSWERS["plain"]}
LARGE |= {"head_only": ANSWERS["grouped"]}


def hand_study(
    *, regimes: Sequence[str] = tuple(SIZES), rules: Sequence[str] = ("guarded", "best")
) -> Study:
    """Return methods on "a" at 1 and 5 shots, and without ``head_only`` on "b" at 5 and 10."""
    comparisons = {
        "a net": _comparison("a", (1, 5), tuple(ANSWERS)),
        "b net": _comparison("b", (5, 10), ("plain", "grouped")),
    }
    choices = [
        made
        for one in comparisons.values()
        for settings in one.settings.to_dict("records")
        for regime in regimes
        for rule in rules
        for made in _chosen(settings, regime, rule)
    ]
    about = {"regimes": list(regimes), "rules": list(rules), "few": {"episodes": 1, "queries": 1}}
    folders = {name: name.replace(" ", "_") for name in comparisons}
    return Study(comparisons, pd.DataFrame(choices)[CHOSEN], about | {"folders": folders})


def _comparison(name: str, shots: Sequence[int], methods: Sequence[str]) -> Comparison:
    data = replace(toy_data(3, 12, seed=len(shots) + ord(name)), name=name)
    made = hand_made(shots=shots, answers={one: ANSWERS[one] for one in methods}, data=data)
    tests = [
        row(one, episode(data, shot, i), given, "test", lr=0.01)
        for shot in shots
        for one in methods
        for i, given in enumerate(LARGE[one])
    ]
    tuning = {
        f"3-way {shot}-shot val/0": replace(episode(data, shot, 0), pool="val", index=0)
        for shot in shots
    }
    return replace(
        made,
        frame=pd.concat([made.frame, pd.DataFrame(tests)], ignore_index=True).assign(seconds=0.5),
        settings=made.settings.assign(edge="lr smallest"),
        manifest={**made.manifest, "not_applicable": {"lora": "it has no linear layer"}},
        episodes={**made.episodes, **tuning},
    )


def _chosen(settings: dict[str, Any], regime: str, rule: str) -> list[dict[str, Any]]:
    """Return what a regime chose for a method: something for each of two episodes, or for all."""
    of_lr: Candidate = SETTING.at(lr=SIZES[regime])
    labels = {"blind": 0, "own": 0, "few": 6, "many": 12}[regime]
    made = settings | {"lr": SIZES[regime], "step_size": SIZES[regime], "n_val": 1}
    made |= {"setting": of_lr.setting_key, "regime": regime, "rule": rule, "labels": labels}
    names = ("test/0", "test/1") if regime == "own" else ("",)
    return [made | {"episode": name} for name in names]

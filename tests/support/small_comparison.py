"""A comparison whose every row is written by hand, so that what is shown of it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from networks import toy_data

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.settings.choice import tuned_settings

# The setting that every method has chosen.
SETTING = Candidate(None, FinetuneConfig(lr=0.001, head_lr=0.1, steps=8))
# Two queries of each of three classes; the right answers are 0, 0, 1, 1, 2, 2.
RIGHT = (0, 0, 1, 1, 2, 2)
ANSWERS: dict[str, tuple[tuple[int, ...], ...]] = {
    "plain": ((0, 1, 1, 1, 2, 2), (0, 0, 1, 2, 2, 2), (0, 0, 1, 1, 2, 0)),
    "grouped": (RIGHT, (0, 1, 1, 2, 2, 2), RIGHT),
    "head_only": ((1, 1, 1, 1, 2, 2), (2, 0, 1, 2, 2, 2), (0, 0, 0, 1, 2, 0)),
}


def hand_data(**options: Any) -> ImageDataset:
    """Twelve images of each of three classes."""
    return toy_data(3, 12, **options)


def hand_made(
    *,
    shots: Sequence[int] = (1, 5),
    answers: Mapping[str, Sequence[Sequence[int]]] = ANSWERS,
    data: ImageDataset | None = None,
    loaded: bool = False,
    tuned: bool = True,
) -> Comparison:
    """Return a comparison with these answers at every number of shots; ``()`` means diverged."""
    data = data or hand_data()
    episodes = {(shot, i): episode(data, shot, i) for shot in shots for i in range(most(answers))}
    tests = [
        row(method, episodes[shot, i], given, "test")
        for shot in shots
        for method, each in answers.items()
        for i, given in enumerate(each)
    ]
    line = [
        row(method, episodes[shot, 0], (*RIGHT[:-1], 0), "val", lr=lr, number=i)
        for shot in shots
        for method in answers
        for lr in (0.001, 0.01)
        for i in range(2)
    ]
    settings = [
        {"data": data.name, "backbone": "toynet", "way": 3, "shot": shot, "method": method}
        | {"step_size": 0.001, "steps": 8, "lr": 0.001}
        | {"head_lr": 0.1, "setting": SETTING.setting_key, "val_accuracy": 0.7, "n_val": 2}
        | {"tuned": tuned_settings(SETTING), "collapsed": 0, "margin": 0.02}
        | {"rule": "guarded", "edge": ""}
        for shot in shots
        for method in answers
    ]
    return Comparison(
        frame=pd.DataFrame([*(line if tuned else []), *tests]),
        settings=pd.DataFrame(settings),
        manifest=manifest(data, len(episodes), list(answers), tuned),
        candidates={},
        episodes={f"3-way {one.shot}-shot {one.name}": one for one in episodes.values()},
        data=None if loaded else data,
    )


def most(answers: Mapping[str, Sequence[Sequence[int]]]) -> int:
    return max(map(len, answers.values()))


def episode(data: ImageDataset, shot: int, i: int) -> Episode:
    """Episode i asks for images 2 i and 2 i + 1 of each class."""
    queries = tuple(12 * c + 2 * i + j for c in range(3) for j in range(2))
    rest = [[k for k in range(12 * c, 12 * c + 12) if k not in queries] for c in range(3)]
    return Episode(
        index=i,
        pool="test",
        classes=(0, 1, 2),
        support=tuple(k for each in rest for k in each[-shot:]),
        query=queries,
        way=3,
        shot=shot,
        query_per_class=2,
        val_share=0.0,
        seed=0,
        data_name=data.name,
        fingerprint=data.fingerprint,
    )


def row(
    method: str,
    task: Episode,
    given: Sequence[int],
    pool: str,
    *,
    lr: float = 0.001,
    number: int = 0,
) -> dict[str, Any]:
    hits = sum(a == b for a, b in zip(given, RIGHT, strict=False)) / 6
    fine = len(given) > 0
    nan = float("nan")
    return {
        "method": method,
        "data": task.data_name,
        "backbone": "toynet",
        "way": 3,
        "shot": task.shot,
        "pool": pool,
        "episode": task.name if pool == "test" else f"val/{number}",
        "steps": 8,
        "lr": lr,
        "head_lr": 0.1,
        "step_size": lr,
        "tuned": tuned_settings(SETTING.at(lr=lr)),
        "setting": SETTING.at(lr=lr).setting_key,
        "n_query": 6,
        "accuracy": hits if fine else 1 / 3,
        "support_loss": 0.25 if fine else nan,
        "support_accuracy": 1.0 if fine else nan,
        "status": "ok" if fine else "diverged at step 3",
        "predicted": list(given),
        "chosen": lr == 0.001,
        "stopped": False,
    }


def manifest(data: ImageDataset, n: int, methods: list[str], tuned: bool) -> dict[str, Any]:
    return {
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "classes": list(data.classes),
            "images": len(data),
        },
        "backbone": {"name": "toynet", "fingerprint": "cd34"},
        "methods": methods,
        "tune": "validation" if tuned else None,
        "labels_used_for_tuning": 12,
        "n_val": 2,
        "n_test": n,
        "n_query": [6],
        "queries_per_class": [2],
        "distinct_images": 36,
        "query_reuse": 1.0,
        "seed": 0,
        "device": None,
    }

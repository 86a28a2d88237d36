"""Arguments of any odd kind end in an error of this library, or in a right result; never late."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.errors import KShotError
from kshot_viz.models.inputs.preprocess import Preprocess

ODD: list[Any] = [
    None,
    0,
    -1,
    1.5,
    float("nan"),
    10**400,
    True,
    "",
    "x",
    "a\0b",
    b"x",
    (),
    [None],
    [[1, 2], [3]],
    {"a": 1},
    object(),
    range(3),
    len,
    np.array(3),
    np.array([]),
    np.zeros((2, 2, 2, 2, 2)),
    np.array(["2026"], dtype="datetime64[D]"),
    torch.zeros(0),
    torch.nn.Linear(2, 2),
]
DATA, NET = toy_data(3, 24), toy_backbone()
EPISODES = kv.sample_episodes(DATA, way=3, shot=1, query=5, n=2)
SUPPORT, QUERY = EPISODES[0].split(DATA)
RESULT = kv.finetune(NET, SUPPORT, method="plain", config=kv.FinetuneConfig(steps=1))
TWO = DATA.images[:2]

CALLS: dict[str, Callable[[Any], Any]] = {
    "load_dataset": kv.load_dataset,
    "images": lambda odd: kv.ImageDataset.from_arrays(odd, [0, 1]),
    "labels": lambda odd: kv.ImageDataset.from_arrays(TWO, odd),
    "classes": lambda odd: kv.ImageDataset.from_arrays(TWO, [0, 1], classes=odd),
    "images of a data set": lambda odd: kv.ImageDataset(odd, [0], ("a",), "n", ("d",), "f"),
    "targets of a data set": lambda odd: kv.ImageDataset(TWO[:1], odd, ("a",), "n", ("d",), "f"),
    "take": DATA.take,
    "restrict": lambda odd: DATA.restrict([0], odd),
    "data to sample": lambda odd: kv.sample_episodes(odd, way=3, shot=1),
    "data of validation": lambda odd: kv.validation_episodes(odd, EPISODES),
    "episodes of validation": lambda odd: kv.validation_episodes(DATA, odd),
    "n of validation": lambda odd: kv.validation_episodes(DATA, EPISODES, n=odd),
    "load_episodes": kv.load_episodes,
    "split": EPISODES[0].split,
    "Episode.from_dict": kv.Episode.from_dict,
    "prepare": NET.prepare,
    "Preprocess()": Preprocess(size=4),
    "Preprocess.from_dict": Preprocess.from_dict,
    "Preprocess.from_json": Preprocess.from_json,
    "with_size": Preprocess(size=4).with_size,
    "module": kv.Backbone,
    "head": lambda odd: kv.Backbone(NET.module, head=odd),
    "preprocess": lambda odd: kv.Backbone(NET.module, head="head", preprocess=odd),
    "example": lambda odd: kv.Backbone(NET.module, head="head", example=odd),
    "load_backbone": kv.load_backbone,
    "weights": lambda odd: kv.load_backbone("glyphnet", weights=odd),
    "size": lambda odd: kv.load_backbone("glyphnet", size=odd),
    "predict": RESULT.predict,
    "batch_size": lambda odd: RESULT.logits(QUERY.images, batch_size=odd),
    "labels to score": lambda odd: RESULT.score(QUERY.images, odd),
    "images to score": lambda odd: RESULT.score(odd, QUERY.labels),
    "capture": lambda odd: kv.capture_activations(NET, odd),
    "support": lambda odd: kv.finetune(NET, odd, method="plain"),
    "labels of a support": lambda odd: kv.finetune(NET, (SUPPORT.images, odd), method="plain"),
}
NAMES = ("way", "shot", "query", "n", "val_share", "seed", "pool", "min_query")
FIELDS = ("size", "resize", "short_side", "channels", "scale", "mean", "std", "antialias")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", CALLS)
def test_one_argument_of_any_kind(name: str) -> None:
    for odd in ODD:
        ends_well(CALLS[name], odd)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", NAMES)
def test_one_number_of_a_draw(name: str) -> None:
    for odd in ODD:
        ends_well(lambda one: kv.sample_episodes(DATA, **{"way": 3, "shot": 1, name: one}), odd)


@pytest.mark.parametrize("name", [*FIELDS, "interpolation", "invert"])
def test_one_field_of_a_preprocess(name: str) -> None:
    for odd in ODD:
        ends_well(lambda one: Preprocess(**{name: one}), odd)


@pytest.mark.timeout(60)
def test_episodes_to_save(tmp_path: Any) -> None:
    for odd in ODD:
        ends_well(lambda one: kv.save_episodes(one, tmp_path / "e.json"), odd)


def ends_well(call: Callable[[Any], Any], odd: Any) -> None:
    try:
        with contextlib.suppress(KShotError):
            call(odd)
    except Exception as error:
        pytest.fail(f"{odd!r} raised {type(error).__name__}: {error}")

"""Small stand-ins: a comparison with tables written by hand, a network, a capture, a grouping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from summary_rows import TASK, summary_row, tuned

from kshot_viz.activations import Activations, LayerActivations
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.glyphnet.glyphnet import GlyphNet
from kshot_viz.study.findings.alike import nothing_alike

METHODS = ("head_only", "last_block", "plain", "grouped", "shuffled", "weight_groups")
MANIFEST = {
    "data": {"name": "digits", "fingerprint": "ab12", "classes": list("0123456789")},
    "backbone": {"name": "glyphnet", "fingerprint": "cd34"},
    "methods": list(METHODS),
    "tune": "validation",
    "labels_used_for_tuning": 654,
    "n_val": 6,
    "n_test": 20,
    "n_query": [150],
    "distinct_images": 1014,
    "query_reuse": 2.8,
    "grid": {"lrs": [0.001, 0.01], "steps": [5, 40]},
    "seed": 0,
    "device": None,
    "versions": {"kshot_viz": "0.1.0", "torch": "2.6"},
}


def no_runs() -> pd.DataFrame:
    return pd.DataFrame(columns=[*TASK, "shot", "pool", "method"])


@dataclass(frozen=True)
class StandIn:
    """The part of a comparison that figures use."""

    rows: pd.DataFrame
    line: pd.DataFrame
    settings: pd.DataFrame
    manifest: dict[str, Any]
    alike: pd.DataFrame = field(default_factory=nothing_alike)
    variants: pd.DataFrame = field(default_factory=pd.DataFrame)
    frame: pd.DataFrame = field(default_factory=no_runs)

    def summary(self, *, reference: str = "plain") -> pd.DataFrame:
        return self.rows

    def robustness(self) -> pd.DataFrame:
        return self.variants

    def curve(self) -> pd.DataFrame:
        return self.line

    def collapses(self) -> pd.DataFrame:
        names = ["data", "backbone", "way", "shot", "method", "step_size", "n"]
        return self.line[names].assign(
            collapsed=(self.line["diverged"] * self.line["n"]).astype(int)
        )


def curve_rows(shot: int, method: str) -> list[dict[str, Any]]:
    sizes = (0.01, 0.1, 1.0) if method == "head_only" else (0.0003, 0.003, 0.03)
    hard = method == "plain"
    return [
        {
            **TASK,
            "shot": shot,
            "method": method,
            "step_size": size,
            "head_lr": size if method == "head_only" else 0.1,
            "steps": 40,
            "accuracy": 0.1 if hard and i == 2 else 0.7 - 0.02 * i,
            "low": 0.1 if hard and i == 2 else 0.65 - 0.02 * i,
            "high": 0.1 if hard and i == 2 else 0.75 - 0.02 * i,
            "n": 6,
            "diverged": 0.5 if hard and i == 2 else 0.0,
        }
        for i, size in enumerate(sizes)
    ]


def setting(shot: int, method: str) -> dict[str, Any]:
    head = method == "head_only"
    return {
        **TASK,
        "shot": shot,
        "method": method,
        "step_size": 0.1 if head else 0.003,
        "steps": 20,
        "lr": 0.003,
        "head_lr": 0.1,
        "tuned": tuned(method),
        "val_accuracy": 0.72,
        "n_val": 6,
        "collapsed": 0,
        "margin": 0.01,
        "edge": "",
    }


@pytest.fixture(scope="session")
def row() -> Callable[..., dict[str, Any]]:
    return summary_row


@pytest.fixture(scope="session")
def make() -> Callable[..., StandIn]:
    def build(
        *, shots: tuple[int, ...] = (1, 5), methods: tuple[str, ...] = METHODS, **changes: Any
    ) -> StandIn:
        tasks = [(shot, method) for shot in shots for method in methods]
        whole = StandIn(
            pd.DataFrame([summary_row(method, shot=shot) for shot, method in tasks]),
            pd.DataFrame([one for task in tasks for one in curve_rows(*task)]),
            pd.DataFrame([setting(*task) for task in tasks]),
            MANIFEST,
        )
        return replace(whole, **changes)

    return build


@pytest.fixture
def network() -> Backbone:
    torch.manual_seed(0)
    return Backbone(GlyphNet(width=8), preprocess="glyphs", name="glyphnet")


def layer_activations(points: np.ndarray) -> LayerActivations:
    return LayerActivations(points, points.mean(axis=1), points.std(axis=1), points.shape[1])


@pytest.fixture(scope="session")
def as_layer() -> Callable[[np.ndarray], LayerActivations]:
    return layer_activations


@pytest.fixture
def acts() -> Activations:
    """Two layers; in "b", neurons 0, 2, 4 and 1, 3 are two families and neuron 5 is dead."""
    rng = np.random.default_rng(0)
    families = rng.normal(size=(2, 30))
    b = np.stack([families[i % 2] for i in range(6)]) + 0.05 * rng.normal(size=(6, 30))
    b[5] = 0.0
    layers = {"a": layer_activations(rng.normal(size=(12, 30))), "b": layer_activations(b)}
    return Activations(layers, "grid", 30)


@pytest.fixture
def groups() -> Grouping:
    return Grouping({"a": np.arange(12) % 9, "b": [0, 1, 0, 1, 0, 2]}, dead={"b": 2})

"""One small comparison that many tests look at, and the call that makes others like it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from networks import toy_backbone, toy_data

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import sample_episodes
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.models.backbone import Backbone
from kshot_viz.study.compare import compare_methods
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.settings.grid import TuningGrid

GRID = TuningGrid(
    lrs=(0.01, 0.1), head_lrs=(0.3, 1.0), head_only_lrs=(0.1, 1.0), steps=(2, 8), extend=0
)


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    return toy_backbone()


@pytest.fixture(scope="session")
def data() -> ImageDataset:
    return toy_data(3, 24)


@pytest.fixture(scope="session")
def source() -> ImageDataset:
    """Other images of the same kind."""
    return toy_data(3, 24, seed=5)


@pytest.fixture(scope="session")
def episodes(data: ImageDataset) -> list[Episode]:
    """Three of one shot, two of three shots."""
    sizes = {1: 3, 3: 2}
    return [
        one
        for shot, n in sizes.items()
        for one in sample_episodes(data, way=3, shot=shot, query=5, n=n, seed=1)
    ]


@pytest.fixture(scope="session")
def compare(
    backbone: Backbone, data: ImageDataset, episodes: list[Episode]
) -> Callable[..., Comparison]:
    def run(**options: Any) -> Comparison:
        given = {"grid": GRID, "n_groups": 0.5, "n_val": 2, "race": False}
        given |= {"episodes": episodes, **options}
        return compare_methods(backbone, data, given.pop("episodes"), **given)

    return run


@pytest.fixture(scope="session")
def comparison(compare: Callable[..., Comparison]) -> Comparison:
    return compare()


@pytest.fixture(scope="session")
def short(compare: Callable[..., Comparison], episodes: list[Episode]) -> Comparison:
    """Two methods at one shot: made in a moment."""
    return compare(methods=["plain", "grouped"], episodes=episodes[:3])

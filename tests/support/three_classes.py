"""A data set of three classes, and episodes on it."""

from __future__ import annotations

import pytest
from networks import toy_data

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import Episode, sample_episodes


@pytest.fixture(scope="package")
def data() -> ImageDataset:
    return toy_data(3, 24)


@pytest.fixture(scope="package")
def episodes(data: ImageDataset) -> list[Episode]:
    return sample_episodes(data, way=3, shot=2, query=5, n=3, val_share=0.4, seed=1)

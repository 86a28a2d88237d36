"""A toy network with everything an explorer of its groups asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.activations import Activations
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.models.backbone import Backbone
from kshot_viz.widgets.explorer.group_explorer import GroupExplorer

PATIENCE = 60


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    return toy_backbone()


@pytest.fixture(scope="session")
def data() -> ImageDataset:
    return toy_data(3, 24)


@pytest.fixture(scope="session")
def source() -> ImageDataset:
    return toy_data(3, 6, seed=5)


@pytest.fixture(scope="session")
def episodes(data: ImageDataset) -> list[Episode]:
    return kv.sample_episodes(data, way=3, shot=1, query=5, n=3, seed=1)


@pytest.fixture(scope="session")
def acts(backbone: Backbone, source: ImageDataset) -> Activations:
    return kv.capture_activations(backbone, source)


@pytest.fixture(scope="session")
def grouping(acts: Activations) -> Grouping:
    return kv.cluster_neurons(acts, n_groups=3, method="ward")


@pytest.fixture
def explore(
    backbone: Backbone, acts: Activations, grouping: Grouping, source: ImageDataset
) -> Callable[..., GroupExplorer]:
    """Make an explorer and wait until all of it is there."""

    def make(*episodes: Any, **options: Any) -> GroupExplorer:
        options = {"executor": "serial", "config": kv.FinetuneConfig(steps=2, lr=0.1), **options}
        groups = options.pop("grouping", grouping)
        images = options.pop("images", source)
        activations = options.pop("activations", acts)
        made = GroupExplorer(backbone, activations, groups, images, *episodes, **options)
        assert made.wait(PATIENCE)
        return made

    return make

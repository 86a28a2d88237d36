"""Images and a network for classifiers on disk."""

from __future__ import annotations

import numpy as np
import pytest

import kshot_viz as kv


@pytest.fixture(scope="module")
def digits() -> kv.ImageDataset:
    data = kv.load_dataset("digits")
    return data.take([i for c in range(4) for i in np.flatnonzero(data.targets == c)[:3]])


@pytest.fixture(scope="module")
def backbone() -> kv.Backbone:
    return kv.load_backbone("glyphnet", size=20)

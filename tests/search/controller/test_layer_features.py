"""Features of layers."""

from __future__ import annotations

import numpy as np
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.search.controller.network import FEATURES, layer_features


def test_every_layer_has_every_feature():
    backbone = toy_backbone()
    activations = kv.capture_activations(backbone, toy_data(4, 8).images)
    features = layer_features(backbone, activations)
    assert list(features) == list(backbone.layers)
    table = np.array(list(features.values()))
    assert table.shape == (len(backbone.layers), len(FEATURES))
    assert np.isfinite(table).all()
    depth = table[:, FEATURES.index("depth")]
    assert (depth[0], depth[-1]) == (0, 1)

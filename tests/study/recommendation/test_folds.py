"""Images that are left out: each once, and never one that is trained on at the same time."""

from __future__ import annotations

import numpy as np
from networks import toy_data

import kshot_viz as kv
from kshot_viz.study.recommendation.folds import leave_out_episodes, usable_images


def test_copies_count_once_in_one_class_and_across_classes():
    images = np.random.default_rng(0).integers(0, 255, size=(6, 8, 8), dtype=np.uint8)
    order, labels = [0, 1, 0, 2, 3, 4, 0, 5], [*"aaaabbbb"]
    data = kv.ImageDataset.from_arrays(images[order], labels)
    # The first image is in class a twice and in class b once more.
    assert usable_images(data) == [[0, 1, 3], [4, 5, 7]]
    for fold in leave_out_episodes(data):
        left_out, trained = ({data.digests[i] for i in part} for part in (fold.query, fold.support))
        assert not left_out & trained


def test_every_image_is_left_out_once():
    folds = leave_out_episodes(toy_data(3, 4))
    assert sorted(image for one in folds for image in one.query) == list(range(12))

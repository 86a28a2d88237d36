"""Image augmentation."""

from __future__ import annotations

import numpy as np
import pytest
from networks import toy_data

from kshot_viz.errors import KShotValueError
from kshot_viz.search.rewards.augment import Augmentation, square_side, squares


def test_copies_are_a_function_of_the_seed_and_the_name():
    data = toy_data(2, 4)
    images = squares(data, square_side(data))
    copies = Augmentation()(images, 1, "first")
    assert copies.shape == images.shape
    assert copies.dtype == np.uint8
    assert np.array_equal(copies, Augmentation()(images, 1, "first"))
    assert not np.array_equal(copies, Augmentation()(images, 1, "second"))


@pytest.mark.parametrize("settings", [{"crop": 0}, {"crop": 1.5}, {"hole": -0.1}])
def test_a_strength_out_of_its_range_is_refused(settings):
    with pytest.raises(KShotValueError, match=next(iter(settings))):
        Augmentation(**settings)

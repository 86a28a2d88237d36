"""Every rival keeps the contract of a method."""

from __future__ import annotations

import pytest

import kshot_viz as kv
from kshot_viz.methods.registry import method_class
from kshot_viz.testing import check_method

RIVALS = [
    "cosine_head",
    "feature_mixup",
    "gradual",
    "l2sp",
    "layerwise",
    "logistic",
    "lp_ft",
    "nearest_mean",
    "surgical",
]


def test_every_rival_is_checked():
    known = [name for name in kv.list_methods() if ".rivals." in method_class(name).__module__]
    assert sorted(known) == sorted(RIVALS)


@pytest.mark.slow
@pytest.mark.parametrize("name", RIVALS)
def test_rivals_keep_the_contract(name):
    check_method(name)

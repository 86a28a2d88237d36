"""Every rival keeps the contract of a method."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

import kshot_viz as kv
from kshot_viz.methods.registry import method_class
from kshot_viz.testing import check_method

RIVALS = [
    "cosine_head",
    "dora",
    "feature_mixup",
    "gradual",
    "hard_tying",
    "ia3",
    "l2sp",
    "layerwise",
    "logistic",
    "lora",
    "lp_ft",
    "nearest_mean",
    "random_subspace",
    "surgical",
]
# It needs descriptions of classes, and has tests of its own.
ELSEWHERE = ["from_words"]
# These are there where an optional package is.
PEFT = ("dora", "ia3", "lora")


def test_every_rival_is_checked():
    known = [name for name in kv.list_methods() if ".rivals." in method_class(name).__module__]
    assert sorted(known) == sorted([*RIVALS, *ELSEWHERE])


def test_labels_stay_one_name_in_a_list():
    labels = [method_class(name).label for name in kv.list_methods()]
    assert not [label for label in labels if "," in label]
    assert len(set(labels)) == len(labels)


@pytest.mark.slow
@pytest.mark.parametrize("name", RIVALS)
def test_rivals_keep_the_contract(name):
    if name in PEFT and find_spec("peft") is None:
        pytest.skip("peft is not installed")
    check_method(name)

"""A seed is its name: the same on every machine, whatever was drawn before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kshot_viz.errors import KShotValueError
from kshot_viz.seeds import child_seed, numpy_rng, torch_rng

NAMES = st.lists(st.one_of(st.integers(0, 50), st.text("ab", max_size=3)), max_size=3)


@pytest.mark.parametrize(
    ("seed", "names", "expected"),
    [
        (0, (), 3456079177858693020),
        (0, ("episode", 17), 2002659266511466890),
        (3, ("cluster", "conv"), 7444746783549199973),
    ],
)
def test_the_seed_of_a_name_is_fixed_for_ever(seed, names, expected):
    assert child_seed(seed, *names) == expected


@given(seed=st.integers(0, 2**70), names=NAMES)
def test_a_seed_fits_every_generator(seed, names):
    assert 0 <= child_seed(seed, *names) < 2**63


@given(first=NAMES, second=NAMES)
def test_other_names_give_other_seeds(first, second):
    same = list(map(str, first)) == list(map(str, second))
    assert (child_seed(0, *first) == child_seed(0, *second)) == same


def test_numbers_and_their_text_are_the_same_name():
    assert child_seed(0, "episode", 3) == child_seed(0, "episode", "3")
    assert child_seed(np.int64(7), "a") == child_seed(7, "a")


@pytest.mark.parametrize("wrong", [-1, 1.0, "0", None, True])
def test_a_seed_is_a_whole_number_from_zero(wrong):
    with pytest.raises(KShotValueError, match="`seed` must be an integer >= 0; not"):
        child_seed(wrong, "a")


def test_generators_repeat_and_leave_the_global_ones_alone():
    np_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    drawn = [numpy_rng(1, "a").random(4) for _ in range(2)]
    made = [torch.rand(4, generator=torch_rng(1, "a")) for _ in range(2)]
    np.testing.assert_array_equal(*drawn)
    assert torch.equal(*made)
    assert not np.array_equal(drawn[0], numpy_rng(1, "b").random(4))
    np.testing.assert_array_equal(np_state, np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(torch_state, torch.get_rng_state())

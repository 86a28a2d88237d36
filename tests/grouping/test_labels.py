"""Law 3: labels are canonical, so a relabelling is the same object."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kshot_viz.errors import KShotError
from kshot_viz.grouping.labels import canonical, checked, contiguous, count_from

LABELS = st.lists(st.integers(-5, 9), min_size=1, max_size=30)


@given(LABELS)
def test_groups_are_numbered_by_their_first_member(given_):
    labels = canonical(given_)
    first = [list(labels).index(group) for group in range(labels.max() + 1)]
    assert first == sorted(first)
    assert labels.dtype == np.int64
    same = [[a == b for b in given_] for a in given_]
    np.testing.assert_array_equal(labels[:, None] == labels, same)


@given(LABELS, st.randoms())
def test_relabelling_changes_nothing(given_, random):
    names = list(range(-50, 50))
    random.shuffle(names)
    np.testing.assert_array_equal(canonical([names[g] for g in given_]), canonical(given_))
    np.testing.assert_array_equal(canonical(canonical(given_)), canonical(given_))


@given(LABELS, st.data())
def test_one_group_can_be_put_last(given_, data):
    last = data.draw(st.sampled_from(given_))
    labels = canonical(given_, last)
    np.testing.assert_array_equal(labels == labels.max(), np.array(given_) == last)
    live = [label for label in labels if label < labels.max()]
    if live:
        np.testing.assert_array_equal(canonical(live), live)


def test_a_label_that_is_not_there_cannot_be_last():
    np.testing.assert_array_equal(canonical([3, 1, 3], last=7), [0, 1, 0])


@pytest.mark.parametrize("bad", [[], [[0, 1]], 3, [0.5], ["a"], [True, False], [None]])
def test_labels_are_a_list_of_integers(bad):
    with pytest.raises(KShotError, match="Labels must be"):
        checked(bad)


@given(st.integers(1, 40), st.data())
def test_contiguous_runs_have_nearly_equal_length(width, data):
    n_groups = data.draw(st.integers(1, width))
    labels = contiguous(width, n_groups)
    sizes = np.bincount(labels)
    assert len(sizes) == n_groups
    assert sizes.max() - sizes.min() <= 1
    assert (np.diff(labels) >= 0).all()


# -- how many groups ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_groups", "width", "count"),
    [
        (0.1, 64, 6),
        (0.1, 3, 1),
        (1e-9, 512, 1),
        (1.0, 7, 7),
        (np.float32(0.5), 8, 4),
        (1, 8, 1),
        (8, 8, 8),
        (np.int64(3), 8, 3),
    ],
)
def test_a_float_is_a_share_and_an_integer_a_count(n_groups, width, count):
    found = count_from(n_groups, width, "conv")
    assert found == count
    assert type(found) is int


@pytest.mark.parametrize(
    ("n_groups", "message"),
    [
        (9, r"Layer 'conv' has 8 neurons: `n_groups` must be 1 to 8; not 9"),
        (0, "must be 1 to 8; not 0"),
        (-1, "must be 1 to 8; not -1"),
        (1.5, r"`n_groups` of layer 'conv' as a float is a share in \(0, 1\]; not 1.5"),
        (2.0, "is a share"),
        (0.0, "is a share"),
        (float("nan"), "is a share"),
        *[(bad, "must be a share or a count") for bad in (True, np.True_, "0.1", None, [1], 1j)],
    ],
)
def test_a_wrong_number_of_groups_names_the_layer(n_groups, message):
    with pytest.raises(KShotError, match=message) as caught:
        count_from(n_groups, 8, "conv")
    assert "'conv'" in str(caught.value)


def test_lists_of_members_are_no_labels():
    with pytest.raises(KShotError, match="one integer for each neuron"):
        checked([[0, 1, 2], [3, 4]])

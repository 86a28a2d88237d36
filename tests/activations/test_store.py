"""The two forms a layer is kept in give the same neurons; the plan depends on sizes alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kshot_viz.activations import store as module
from kshot_viz.activations.store import FeatureStore, InnerProductStore, check_finite, plan_stores
from kshot_viz.errors import KShotError

SEEDS = st.integers(0, 2**16)
SHAPES = {"thin": (4, 100), "wide": (64, 2), "large": (16, 400)}
TIGHT = 10_000


def kept_as(images: int, cap: int | None) -> dict[str, str]:
    return {name: type(s).__name__ for name, s in plan_stores(SHAPES, images, cap).items()}


def filled(store, rows: torch.Tensor, batch: int):
    for part in rows.split(batch, dim=1):
        store.add(part)
    return store.finish()


@given(st.integers(1, 9), st.integers(1, 12), st.integers(1, 6), st.integers(1, 5), SEEDS)
def test_both_forms_give_the_same_neurons(neurons, images, features, batch, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.normal(size=(neurons, 1, 1)), 1.0, (neurons, images, features))
    rows = torch.from_numpy(values.astype(np.float32))
    rows[rng.integers(neurons)] = 0.4
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FLOAT64_AT_ONCE", int(rng.integers(1, 60)))
        inner = filled(InnerProductStore(neurons), rows, batch)
    whole = filled(FeatureStore(neurons, images, features), rows, batch)
    assert (whole.form, inner.form) == ("features", "inner_products")
    assert torch.equal(torch.from_numpy(whole.points), rows.flatten(1))
    assert inner.n_features == whole.n_features == images * features
    scale = np.abs(whole.compact).max()
    np.testing.assert_allclose(inner.distances(), whole.distances(), rtol=1e-5, atol=1e-6 * scale)
    np.testing.assert_allclose(inner.mean, whole.mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(inner.std, whole.std, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(inner.dead, whole.dead)
    np.testing.assert_allclose(inner.correlation(), whole.correlation(), rtol=1e-5, atol=1e-5)


def test_calls_of_one_batch_stand_side_by_side():
    first, second = torch.randn(3, 5, 2), torch.randn(3, 5, 4)
    store = FeatureStore(3, 5, 6)
    for start in (0, 2, 4):
        store.add(first[:, start : start + 2])
        store.add(second[:, start : start + 2])
    expected = torch.cat([first, second], dim=2).flatten(1)
    assert torch.equal(torch.from_numpy(store.finish().points), expected)


# -- the plan -------------------------------------------------------------------------------------


def test_without_a_cap_everything_is_kept():
    assert set(kept_as(10, None).values()) == {"FeatureStore"}


def test_the_largest_layer_gives_up_its_features_first():
    assert kept_as(10, 300_000)["large"] == "FeatureStore"
    assert kept_as(10, 200_000) == {
        "thin": "FeatureStore",
        "wide": "FeatureStore",
        "large": "InnerProductStore",
    }
    assert kept_as(10, TIGHT)["thin"] == "InnerProductStore"


def test_a_layer_stays_whole_where_inner_products_are_no_smaller():
    assert kept_as(10, TIGHT)["wide"] == "FeatureStore"


@given(st.permutations(list(SHAPES)), st.integers(1, 200), st.integers(60_000, 400_000))
def test_the_plan_is_a_function_of_sizes(order, images, cap):
    shuffled = {name: SHAPES[name] for name in order}
    again = {name: type(s).__name__ for name, s in plan_stores(shuffled, images, cap).items()}
    assert again == kept_as(images, cap)


@given(st.integers(1, 500), st.integers(40_000, 400_000))
def test_what_is_laid_out_stays_under_the_cap(images, cap):
    total = 0
    for name, store in plan_stores(SHAPES, images, cap).items():
        width, features = SHAPES[name]
        whole = isinstance(store, FeatureStore)
        total += 4 * width * features * images if whole else 8 * width * (width + 1)
    assert total <= cap


def test_a_cap_too_small_for_inner_products_says_what_is_needed():
    with pytest.raises(KShotError, match=r"`max_memory` must be at least [\d,]+ bytes.*not 1,000"):
        plan_stores(SHAPES, 10, 1000)
    needed = 8 * 4 * 5 + 4 * 64 * 2 * 10 + 8 * 16 * 17
    with pytest.raises(KShotError, match=f"{needed:,} bytes"):
        plan_stores(SHAPES, 10, needed - 1)
    assert plan_stores(SHAPES, 10, needed)


# -- numbers that are none ------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_bad_numbers_name_layer_and_neurons(value):
    rows = torch.zeros(20, 3, 2)
    rows[4, 1, 1] = rows[17, 0, 0] = value
    with pytest.raises(KShotError, match=r"Layer 'deep' .* 2 of 20 neurons \(4, 17\)"):
        check_finite("deep", rows)
    rows[3:15] = value
    with pytest.raises(KShotError, match=r"13 of 20 neurons \(3, 4, 5, 6, 7, 8, 9, 10, ...\)"):
        check_finite("deep", rows)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_large_numbers_whose_sum_overflows_are_fine(dtype):
    check_finite("deep", torch.full((2, 3, 100), torch.finfo(dtype).max, dtype=dtype))

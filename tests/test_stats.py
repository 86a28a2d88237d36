"""The arithmetic of tables, against scipy and against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from kshot_viz.errors import KShotValueError
from kshot_viz.seeds import numpy_rng
from kshot_viz.stats import (
    Interval,
    bootstrap_by_group,
    bootstrap_mean,
    holm,
    mean_difference,
    paired_test,
    wilson_share,
)

SHARES = st.lists(st.integers(0, 15).map(lambda hits: hits / 15), min_size=2, max_size=12)


def test_the_interval_is_scipys_percentile_bootstrap():
    values = np.array([0.4, 0.6, 0.55, 0.7, 0.65])
    expected = scipy_stats.bootstrap(
        (values,), np.mean, n_resamples=9999, method="percentile", rng=numpy_rng(0, "bootstrap")
    ).confidence_interval
    found = bootstrap_mean(values)
    assert (found.low, found.high) == tuple(expected)
    assert (found.mean, found.n) == (values.mean(), 5)


@given(values=SHARES)
def test_an_interval_holds_its_mean_and_lies_within_the_values(values):
    found = bootstrap_mean(values, resamples=199)
    slack = 1e-12
    assert min(values) - slack <= found.low <= found.high <= max(values) + slack
    assert min(values) - slack <= found.mean <= max(values) + slack


def test_an_interval_over_groups_draws_whole_groups():
    rng = np.random.default_rng(0)
    means, noise = rng.normal(size=20), rng.normal(size=(20, 30))
    values, groups = (means[:, None] + noise).ravel(), np.repeat(np.arange(20), 30).tolist()
    found, alone = bootstrap_by_group(values, groups), bootstrap_mean(values)
    whole = bootstrap_mean((means[:, None] + noise).mean(axis=1))
    assert found.mean == pytest.approx(whole.mean)
    assert (found.low, found.high) == pytest.approx((whole.low, whole.high), abs=0.02)
    assert found.high - found.low > 2 * (alone.high - alone.low)
    assert found.n == 20


def test_a_large_group_counts_by_its_values():
    # Draws of two groups: both times the first (mean 0), each once (1 / 3), both the second (1).
    found = bootstrap_by_group([0.0, 0.0, 1.0], ["first", "first", "second"], level=0.4)
    assert (found.mean, found.low, found.high) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    wide = bootstrap_by_group([0.0, 0.0, 1.0], ["first", "first", "second"])
    assert (wide.low, wide.high) == (0, 1)


def test_one_group_has_no_interval():
    found = bootstrap_by_group([0.2, 0.4], ["same", "same"])
    assert found.mean == pytest.approx(0.3)
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.slow
@pytest.mark.parametrize(("n", "share"), [(2, 0.50), (5, 0.84), (10, 0.90), (20, 0.93)])
def test_the_stated_coverage(n, share):
    rng = np.random.default_rng(0)
    known = [bootstrap_mean(rng.normal(size=n), resamples=999) for _ in range(1000)]
    # Two standard errors of a share of 1,000 are 0.03 at most.
    held = np.mean([one.low <= 0 <= one.high for one in known])
    assert held == pytest.approx(share, abs=0.03)


def test_equal_values_have_no_spread_and_one_value_no_interval():
    assert bootstrap_mean([0.3] * 4) == Interval(0.3, 0.3, 0.3, 4)
    alone = bootstrap_mean([0.3])
    assert (alone.mean, alone.n) == (0.3, 1)
    assert np.isnan([alone.low, alone.high]).all()


def test_a_seed_decides_the_resampling():
    values = np.sqrt(np.arange(9))
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)


def test_intervals_as_text():
    assert str(Interval(0.5, 0.4, 0.61, 9)) == "0.500 [0.400, 0.610] (n=9)"
    assert Interval(0.714, 0.701, 0.726, 9).percent() == "71.4 [70.1, 72.6]"
    assert bootstrap_mean([0.5]).percent() == "50.0 [-, -]"


def test_the_paired_test_by_hand():
    # All five differences are positive: 2 of the 2^5 sign patterns are as extreme, p = 2/32.
    first, second = [0.7, 0.8, 0.6, 0.9, 0.75], [0.6, 0.5, 0.58, 0.7, 0.7]
    found = paired_test(first, second)
    assert found.p_value == pytest.approx(2 / 32)
    assert found.difference.mean == pytest.approx(0.134)
    assert found.difference.n == 5


@pytest.mark.slow
@given(data=st.data(), first=SHARES)
def test_the_paired_test_is_scipys_on_whole_numbers(data, first):
    size = len(first)
    second = data.draw(st.lists(st.sampled_from([0.2, 0.4, 0.6]), min_size=size, max_size=size))
    hits = np.rint(15 * np.array(first)) - np.rint(15 * np.array(second))
    expected = scipy_stats.wilcoxon(hits).pvalue if hits.any() else 1.0
    assert paired_test(first, second).p_value == pytest.approx(expected)


@pytest.mark.parametrize("size", [2, 3, 12, 13, 14])
@pytest.mark.parametrize("seed", range(3))
def test_few_differences_with_ties_and_zeros_have_scipys_p_value(size, seed):
    points = numpy_rng(seed, "ties").integers(-2, 5, size)
    points[0] = 0
    points[1] += points[1] == 0
    found = paired_test(points / 15, np.zeros(size))
    assert found.p_value == pytest.approx(scipy_stats.wilcoxon(points).pvalue)


@pytest.mark.filterwarnings("ignore:The BCa confidence interval")
@pytest.mark.parametrize("size", [4, 20])
def test_a_missing_value_leaves_no_p_value(size):
    first = [float("nan"), 0.0, *[1.0] * (size - 2)]
    assert np.isnan(paired_test(first, np.zeros(size)).p_value)


def test_ties_are_seen_through_rounding():
    # 0.8 - 0.6 and 0.4 - 0.2 differ in the last bit, yet both are three of fifteen queries.
    first, second = [0.8, 0.4, 0.6, 0.2, 0.4], [0.6, 0.2, 0.4, 0.4, 0.2]
    expected = scipy_stats.wilcoxon([3, 3, 3, -3, 3]).pvalue
    assert paired_test(first, second).p_value == pytest.approx(expected)
    assert paired_test([0.1 + 0.2, 0.3], [0.3, 0.3]).p_value == 1.0


def test_swapping_the_methods_turns_the_difference_around():
    rng = numpy_rng(0, "swap")
    first, second = rng.random(8), rng.random(8)
    there, back = paired_test(first, second), paired_test(second, first)
    assert there.p_value == back.p_value
    assert there.difference.mean == pytest.approx(-back.difference.mean)


def test_too_few_pairs_have_no_p_value():
    found = paired_test([0.5], [0.4])
    assert found.difference.mean == pytest.approx(0.1)
    assert np.isnan([found.p_value, found.difference.low]).all()


def test_bad_samples_are_refused():
    with pytest.raises(KShotValueError, match="equal lengths; not 2 and 3"):
        paired_test([1, 2], [1, 2, 3])
    with pytest.raises(KShotValueError, match="at least one value"):
        bootstrap_mean([])


def test_holm_by_hand():
    # Ordered 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04; then never falling.
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1.0, 1.0])


def test_holm_does_not_count_what_is_unknown():
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])
    assert holm([]).size == 0
    assert np.isnan(holm([np.nan])).all()


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_and_keeps_the_order(p):
    adjusted = holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


def test_the_difference_of_two_samples_by_hand():
    first, second = np.array([0.8, 0.9, 1.0, 0.9]), np.array([0.1, 0.3])
    found = mean_difference(first, second)
    assert found.mean == pytest.approx(0.7)
    assert found.n == 2
    assert 0.55 <= found.low < 0.7 < found.high <= 0.85
    assert mean_difference(second, first).mean == pytest.approx(-0.7)


def test_the_difference_of_equal_samples_holds_zero_and_one_value_has_no_interval():
    same = np.linspace(0, 1, 12)
    found = mean_difference(same, same)
    assert found.low < 0 < found.high
    alone = mean_difference(same, [0.5])
    assert np.isnan([alone.low, alone.high]).all()


def test_wilsons_interval_is_the_one_of_scipy():
    from scipy.stats import binomtest

    for hits, n in ((0, 5), (40, 50), (50, 50)):
        found = wilson_share(hits, n)
        known = binomtest(hits, n).proportion_ci(method="wilson")
        assert (found.low, found.high) == pytest.approx((known.low, known.high))
        assert found.mean == hits / n
    assert wilson_share(8.0, 10.0, level=0.5).high < wilson_share(8.0, 10.0).high
    assert wilson_share(4.5, 9.5).n == 10
    for wrong in ((-1, 5), (6, 5), (0, 0)):
        with pytest.raises(KShotValueError, match="0 <= hits"):
            wilson_share(*wrong)

"""Measures of similarity: what they are blind to, and independent formulas for each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orth, orthogonal_procrustes, subspace_angles
from scipy.spatial.distance import pdist, squareform
from scipy.stats import ortho_group, spearmanr

from kshot_viz.activations import LayerActivations
from kshot_viz.analysis import minibatch_cka, similarity
from kshot_viz.analysis.similarity.canonical import leading
from kshot_viz.analysis.similarity.measures import MEASURES
from kshot_viz.errors import KShotKeyError, KShotValueError, KShotWarning

N = 40


def pair(seed: int = 0, n: int = N, p: int = 6, q: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Return two representations that share some of what they hold; scales of features differ."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, p)) * np.linspace(0.3, 2, p) + 3
    b = a @ rng.normal(size=(p, q)) + rng.normal(size=(n, q)) - 5
    return a, b


# ---- what they are blind to ----------------------------------------------------------------------


@pytest.mark.parametrize("measure", MEASURES)
def test_a_representation_is_like_itself(measure):
    a, _ = pair()
    assert similarity(a, a, measure) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("measure", MEASURES)
@given(seed=st.integers(0, 99), scale=st.floats(0.1, 30))
@settings(max_examples=5, deadline=None)
def test_rotations_and_scales_of_the_second_change_nothing(measure, seed, scale):
    a, b = pair(seed)
    turned = scale * b @ ortho_group.rvs(b.shape[1], random_state=seed) + 7
    assert similarity(a, turned, measure) == pytest.approx(similarity(a, b, measure), abs=1e-8)
    assert 0.0 < similarity(a, b, measure) < 1.0


@pytest.mark.parametrize("measure", [one for one in MEASURES if one != "pwcca"])
def test_rotations_and_scales_of_the_first_change_nothing(measure):
    a, b = pair(1)
    turned = 3 * a @ ortho_group.rvs(a.shape[1], random_state=0)
    assert similarity(turned, b, measure) == pytest.approx(similarity(a, b, measure), abs=1e-8)
    # The others are the same in both directions.
    assert similarity(b, a, measure) == pytest.approx(similarity(a, b, measure), abs=1e-8)


def test_pwcca_is_blind_to_any_linear_map_of_the_second():
    a, b = pair(2)
    mapped = b @ np.random.default_rng(0).normal(size=(9, 9))
    assert similarity(a, mapped, "pwcca") == pytest.approx(similarity(a, b, "pwcca"), abs=1e-8)
    assert similarity(a, mapped, "cka") != pytest.approx(similarity(a, b, "cka"), abs=1e-3)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_order_of_samples_is_of_no_account(measure):
    a, b = pair(3)
    order = np.random.default_rng(0).permutation(N)
    assert similarity(a[order], b[order], measure) == pytest.approx(similarity(a, b, measure))


def test_the_unbiased_estimate_is_zero_on_average_for_wide_unrelated_features():
    rng = np.random.default_rng(0)
    draws = [(rng.normal(size=(12, 60)), rng.normal(size=(12, 60))) for _ in range(40)]
    assert abs(np.mean([similarity(*one, "cka_unbiased") for one in draws])) < 0.02
    assert np.mean([similarity(*one, "cka") for one in draws]) > 0.7


# ---- independent formulas ------------------------------------------------------------------------


def by_centring(a: np.ndarray, b: np.ndarray) -> float:
    h = np.eye(N) - np.ones((N, N)) / N
    cross = np.linalg.norm(b.T @ h @ a) ** 2
    return cross / (np.linalg.norm(a.T @ h @ a) * np.linalg.norm(b.T @ h @ b))


def by_u_centring(a: np.ndarray, b: np.ndarray) -> float:
    """Inner products of U-centred kernels (Szekely and Rizzo), equal to the unbiased estimate."""

    def u_centred(rows):
        k = rows @ rows.T
        np.fill_diagonal(k, 0)
        rows_sum = k.sum(axis=1) / (N - 2)
        found = k - rows_sum - rows_sum[:, None] + k.sum() / ((N - 1) * (N - 2))
        np.fill_diagonal(found, 0)
        return found

    k, m = u_centred(a), u_centred(b)
    return (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())


def by_gaussians(a: np.ndarray, b: np.ndarray) -> float:
    h = np.eye(N) - np.ones((N, N)) / N
    kernels = [np.exp(-(squareform(d) ** 2) / (2 * np.median(d) ** 2)) for d in map(pdist, (a, b))]
    k, m = (h @ one @ h for one in kernels)
    return np.trace(k @ m) / np.sqrt(np.trace(k @ k) * np.trace(m @ m))


def by_angles(a: np.ndarray, b: np.ndarray) -> float:
    kept = []
    for one in (a, b):
        middle = one - one.mean(axis=0)
        values, vectors = np.linalg.eigh(middle.T @ middle)
        values, vectors = values[::-1], vectors[:, ::-1]
        count = 1 + int((np.cumsum(values) / values.sum() < 0.99).sum())
        kept.append(orth(middle @ vectors[:, :count]))
    return np.cos(subspace_angles(*kept)).mean()


def by_regression(a: np.ndarray, b: np.ndarray) -> float:
    """Canonical directions as eigenvectors of the product of projections."""
    x, y = a - a.mean(axis=0), b - b.mean(axis=0)
    projections = [one @ np.linalg.pinv(one) for one in (x, y)]
    values, vectors = np.linalg.eigh(projections[0] @ projections[1] @ projections[0])
    values, vectors = values[::-1][: x.shape[1]], vectors[:, ::-1][:, : x.shape[1]]
    weights = np.abs(vectors.T @ x).sum(axis=1)
    return weights @ np.sqrt(values) / weights.sum()


def by_scipy_procrustes(a: np.ndarray, b: np.ndarray) -> float:
    x, y = (one - one.mean(axis=0) for one in (a, b))
    x = np.pad(x / np.linalg.norm(x), ((0, 0), (0, b.shape[1] - a.shape[1])))
    y = y / np.linalg.norm(y)
    turn, _ = orthogonal_procrustes(x, y)
    return 1 - np.linalg.norm(x @ turn - y) ** 2 / 2


def by_sets(a: np.ndarray, b: np.ndarray) -> float:
    near = [[set(np.argsort(row)[1:11]) for row in squareform(pdist(one))] for one in (a, b)]
    return np.mean([len(i & j) / 10 for i, j in zip(*near, strict=True)])


def by_spearman(a: np.ndarray, b: np.ndarray) -> float:
    return spearmanr(pdist(a), pdist(b)).statistic


FORMULAS = {
    "cka": by_centring,
    "cka_unbiased": by_u_centring,
    "cka_rbf": by_gaussians,
    "svcca": by_angles,
    "pwcca": by_regression,
    "procrustes": by_scipy_procrustes,
    "knn": by_sets,
    "rsa": by_spearman,
}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("seed", range(3))
def test_an_independent_formula_agrees(measure, seed):
    a, b = pair(seed)
    assert similarity(a, b, measure) == pytest.approx(FORMULAS[measure](a, b), abs=1e-6)


def test_sklearn_finds_the_same_canonical_correlations():
    from sklearn.cross_decomposition import CCA

    a, b = pair(4, p=3, q=3)
    x, y = CCA(n_components=3, scale=False, tol=1e-12, max_iter=5000).fit_transform(a, b)
    theirs = [np.corrcoef(x[:, i], y[:, i])[0, 1] for i in range(3)]
    ours = np.linalg.svd(leading(a, 1.0).T @ leading(b, 1.0), compute_uv=False)
    assert np.allclose(sorted(theirs), sorted(ours), atol=1e-6)


# ---- batches and odd input -----------------------------------------------------------------------


def test_one_batch_is_the_unbiased_estimate():
    a, b = pair(5)
    assert minibatch_cka([(a, b)]) == pytest.approx(similarity(a, b, "cka_unbiased"), abs=1e-12)


def test_batches_come_near_the_whole():
    a, b = pair(6, n=400)
    parts = [(a[i : i + 40], b[i : i + 40]) for i in range(0, 400, 40)]
    assert minibatch_cka(iter(parts)) == pytest.approx(similarity(a, b, "cka_unbiased"), abs=0.03)


def test_captured_activations_have_samples_in_columns():
    a, b = pair(7)
    layers = [LayerActivations(x.T, x.mean(axis=0), x.std(axis=0), N) for x in (a, b)]
    assert similarity(*layers) == similarity(a, b)
    kept = LayerActivations(a.T, a.mean(axis=0), a.std(axis=0), N, "inner_products")
    with pytest.raises(KShotValueError, match="max_memory"):
        similarity(kept, b)


ODD = {
    "different numbers": (lambda a, b: (a, b[:-1]), "40 and 39"),
    "constant": (lambda a, b: (a, np.full_like(b, 3.7)), "`b` is the same for all 40"),
    "one sample": (lambda a, b: (a[:1], b[:1]), "`a` has 1 sample"),
    "NaN": (lambda a, b: (a, np.where(b > 0, np.nan, b)), "`b` holds values that are NaN"),
    "texts": (lambda a, b: (["x", "y"], b), "`a` must be an array of numbers"),
    "a row": (lambda a, b: (a[:, 0], b), r"\(samples, features\)"),
    "ragged": (lambda a, b: ([[1], [1, 2]], b), "`a` must be an array"),
    "complex": (lambda a, b: (a, b + 1j), "`b` must be an array of numbers"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_input_is_named(case):
    spoil, words = ODD[case]
    with pytest.raises(KShotValueError, match=words):
        similarity(*spoil(*pair()))


def test_other_refusals():
    a, b = pair()
    with pytest.raises(KShotKeyError, match="Did you mean 'svcca'"):
        similarity(a, b, "svca")
    with pytest.raises(KShotValueError, match="at least 12 samples"):
        similarity(a[:11], b[:11], "knn")
    with pytest.raises(KShotValueError, match="empty"):
        minibatch_cka([])
    with pytest.raises(KShotValueError, match="at least 4"):
        minibatch_cka([(a[:3], b[:3])])


def test_correlations_that_are_one_by_necessity_are_warned_of():
    a, b = pair(n=12)
    with pytest.warns(KShotWarning, match="1 by necessity"):
        assert similarity(a, b, "pwcca") > 0.7


def test_copies_have_no_median_distance():
    a = np.zeros((20, 3))
    a[0] = 1
    assert np.isnan(similarity(a, a, "cka_rbf"))

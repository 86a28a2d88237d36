"""Planted power laws are found again, with the right phase."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kshot_viz.analysis.alignment.exponents import (
    FLAT,
    PHASES,
    exponent_rows,
    fitted,
    nearest_phase,
)
from kshot_viz.analysis.alignment.moments import Moments


def planted(p: float, q: float, *, size: int = 12, images: int = 600, seed: int = 0) -> Moments:
    """Return moments of a map with H_a = Z_a^p and G_b = Z_b^q, in samples drawn from them."""
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.normal(size=(size, size)))[0] for _ in range(2))
    values = np.geomspace(0.1, 3.0, size)
    moments = Moments(left * values @ right.T)
    h = rng.normal(size=(images, 1, size)) * values**p @ right.T
    g = rng.normal(size=(images, 1, size)) * values**q @ left.T
    for rows in (slice(0, images // 3), slice(images // 3, images)):
        moments.add(h[rows], g[rows])
    return moments


@pytest.mark.parametrize("phase", PHASES)
def test_planted_exponents_are_recovered(phase):
    p, q = PHASES[phase]
    rows = {row["matrix"]: row for row in exponent_rows(planted(p, q), 50, 0)}
    expected = {"H_a": p, "G_a": q + 1, "H_b": p + 1, "G_b": q}
    for name, exponent in expected.items():
        assert rows[name]["exponent"] == pytest.approx(exponent, abs=0.05)
        assert rows[name]["low"] <= rows[name]["exponent"] <= rows[name]["high"]
        assert rows[name]["phase"] == phase
        assert rows[name]["phase_distance"] < 0.1
        assert exponent == 0 or rows[name]["r2"] > 0.97


@given(p=st.floats(-1, 3), q=st.floats(-1, 3))
@settings(max_examples=8, deadline=None)
def test_any_exponents_are_recovered(p, q):
    rows = {row["matrix"]: row["exponent"] for row in exponent_rows(planted(p, q), 0, 0)}
    assert rows["H_a"] == pytest.approx(p, abs=0.05)
    assert rows["G_b"] == pytest.approx(q, abs=0.05)


@pytest.mark.parametrize(("p", "q"), [(1.5, -0.6), (3, 3)])
def test_exponents_far_from_every_phase_have_no_phase(p, q):
    rows = list(exponent_rows(planted(p, q), 0, 0))
    assert {row["phase"] for row in rows} == {""}
    assert min(row["phase_distance"] for row in rows) > 0.5


@pytest.mark.parametrize("side", [0, 1])
def test_a_poor_fit_of_either_side_names_no_phase_though_the_others_look_good(side):
    moments = planted(0, 0)
    noise = np.exp(np.random.default_rng(0).normal(scale=3, size=12))
    # Without a slope, so that the exponents stay near those of a phase.
    x = np.log(moments.eigenvalues)
    x = x - x.mean()
    noise *= np.exp(-(x @ np.log(noise)) / (x @ x) * x)
    moments._energies = [
        tuple(one * noise if i == side else one for i, one in enumerate(pair))
        for pair in moments._energies
    ]
    rows = {row["matrix"]: row for row in exponent_rows(moments, 0, 0)}
    poor, bound = (("H_a", "H_b"), ("G_b", "G_a"))[side]
    assert rows[poor]["phase_distance"] < 0.1
    assert rows[poor]["r2"] < 0.5 < rows[poor]["scatter"]
    assert rows[bound]["r2"] > rows[poor]["r2"]
    assert {row["phase"] for row in rows.values()} == {""}


def test_an_exponent_of_zero_is_trusted_by_its_scatter():
    rows = {row["matrix"]: row for row in exponent_rows(planted(0, 0), 0, 0)}
    assert rows["H_a"]["r2"] < 0.5
    assert rows["H_a"]["scatter"] < 0.1
    assert rows["H_a"]["phase"] == "f-RWA + b-GWA"


def test_energies_of_the_other_side_are_those_of_the_matrices():
    moments = planted(1, 2, images=40)
    left, values, right = np.linalg.svd(moments.weight)
    a, b = (one.mean(axis=0) for one in moments.energies)
    along = {
        "H_a": (right @ moments.matrix("H_a") @ right.T, a),
        "H_b": (left.T @ moments.matrix("H_b") @ left, a * values**2),
        "G_a": (right @ moments.matrix("G_a") @ right.T, b * values**2),
        "G_b": (left.T @ moments.matrix("G_b") @ left, b),
    }
    for found, expected in along.values():
        assert np.allclose(np.diag(found), expected)


def test_directions_without_weight_are_left_out():
    rng = np.random.default_rng(0)
    moments = Moments(rng.normal(size=(8, 3)) @ rng.normal(size=(3, 10)))
    assert len(moments.eigenvalues) == 3


def test_a_flat_spectrum_has_no_exponent_but_a_name():
    assert nearest_phase(np.ones(5), float("nan"), float("nan")) == (FLAT, 0.0)
    assert np.isnan(fitted(np.ones(5), np.ones((4, 5)), 10, 0)).all()
    assert nearest_phase(np.arange(1.0, 5), 1.9, 1.1)[0] == "f-GWA + b-RGA"
    assert nearest_phase(np.arange(1.0, 5), float("nan"), 1.0)[0] == ""


def test_no_energy_is_no_exponent():
    assert np.isnan(fitted(np.arange(1.0, 6), np.zeros((4, 5)), 10, 0)).all()

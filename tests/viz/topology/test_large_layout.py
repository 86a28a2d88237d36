"""The layout of large graphs: the same each time, near what is joined, and in time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from kshot_viz.viz.topology.large_layout import large_layout


def ring(n: int) -> np.ndarray:
    return np.sort(np.stack([np.arange(n), (np.arange(n) + 1) % n], axis=1), axis=1)


def grid(side: int) -> np.ndarray:
    number = np.arange(side * side).reshape(side, side)
    across = np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1)
    return np.concatenate([across, np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1)])


def laid_out(n: int, links: np.ndarray, seed: int = 0) -> np.ndarray:
    return large_layout(n, links, np.full(len(links), 0.65), seed)


def test_it_is_the_same_each_time():
    links = ring(600)
    assert (laid_out(600, links) == laid_out(600, links)).all()
    assert not np.allclose(laid_out(600, links), laid_out(600, links, seed=1))


@pytest.mark.parametrize(("n", "links"), [(600, ring(600)), (625, grid(25))])
def test_neighbours_are_nearer_than_others(n, links):
    at = laid_out(n, links)
    assert np.isfinite(at).all()
    long = np.hypot(*(at[links[:, 0]] - at[links[:, 1]]).T)
    others = np.random.default_rng(0).integers(0, n, (2000, 2))
    far = np.hypot(*(at[others[:, 0]] - at[others[:, 1]]).T)
    assert np.median(long) < 0.2 * np.median(far)


def test_a_star_and_a_pair_have_a_layout():
    star = np.stack([np.zeros(699, dtype=int), np.arange(1, 700)], axis=1)
    at = laid_out(700, star)
    assert len(np.unique(at.round(6), axis=0)) == 700
    assert np.isfinite(laid_out(2, np.array([[0, 1]]))).all()


@pytest.mark.slow
def test_ten_thousand_nodes_take_seconds():
    begin = time.monotonic()
    laid_out(10_000, grid(100))
    assert time.monotonic() - begin < 60

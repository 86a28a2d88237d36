"""What becomes of the positions of a layer's output, against loops that are obvious."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kshot_viz.activations.pooling import POOLS, neuron_rows
from kshot_viz.errors import KShotError

SIDES = st.lists(st.integers(1, 9), min_size=1, max_size=3) | st.tuples(
    st.integers(10, 40), st.integers(1, 20)
)


def cells(side: int, parts: int) -> list[slice]:
    """Adaptive pooling's own definition: cell i covers floor(i n / k) to ceil((i + 1) n / k)."""
    edges = range(parts)
    return [slice(i * side // parts, math.ceil((i + 1) * side / parts)) for i in edges]


def pooled(image: np.ndarray, pool: str, grid: int) -> list[float]:
    """One neuron's response to one image, position by position."""
    if pool == "mean":
        return [image.mean()]
    if pool == "max":
        return [image.max()]
    if pool == "none":
        return list(image.ravel())
    axes = [cells(side, min(grid, side)) for side in image.shape]
    return [image[cell].mean() for cell in itertools.product(*axes)]


def twin(maps: np.ndarray, pool: str, grid: int) -> np.ndarray:
    return np.array([[pooled(image, pool, grid) for image in neuron] for neuron in maps])


@given(SIDES, st.sampled_from(POOLS), st.integers(1, 6), st.integers(1, 3), st.integers(0, 99))
def test_maps_of_convolutions(sides, pool, grid, neurons, seed):
    maps = np.random.default_rng(seed).normal(size=(2, neurons, *sides))
    rows = neuron_rows(torch.from_numpy(maps), pool, grid)
    np.testing.assert_allclose(rows, twin(maps.swapaxes(0, 1), pool, grid), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pool", POOLS)
def test_tokens_are_averaged_and_have_no_grid(pool):
    tokens = np.random.default_rng(0).normal(size=(3, 10, 5))  # images, positions, neurons
    rows = neuron_rows(torch.from_numpy(tokens), pool, 4, neurons_last=True)
    expected = twin(tokens.transpose(2, 0, 1), "mean" if pool == "grid" else pool, 4)
    np.testing.assert_allclose(rows, expected)


@pytest.mark.parametrize("pool", POOLS)
def test_plain_features_of_a_linear_layer_stay_as_they_are(pool):
    output = torch.randn(4, 6)
    rows = neuron_rows(output, pool, 4, neurons_last=True)
    assert torch.equal(rows, output.T[:, :, None])


@pytest.mark.parametrize("grid", [2, 4, 7, 14])
def test_a_constant_map_stays_constant_whatever_the_grid(grid):
    rows = neuron_rows(torch.full((1, 1, 14, 13), 0.3), "grid", grid)
    torch.testing.assert_close(rows, torch.full_like(rows, 0.3))


def test_an_unknown_pool_lists_the_known_ones():
    with pytest.raises(KShotError, match=r"`pool` must be one of 'grid'.*Did you mean 'mean'"):
        neuron_rows(torch.zeros(1, 1, 2, 2), "means", 4)

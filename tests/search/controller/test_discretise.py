"""Distributions as numbered parts."""

from __future__ import annotations

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from kshot_viz.search.controller.sampler import Discretised


@pytest.mark.parametrize(
    "distribution",
    [
        CategoricalDistribution((None, 0.5, "a")),
        IntDistribution(0, 3),
        IntDistribution(0, 100, step=5),
        IntDistribution(1, 3, log=True),
        IntDistribution(1, 16, log=True),
        IntDistribution(1, 1000, log=True),
        FloatDistribution(-1, 2),
        FloatDistribution(1e-4, 1, log=True),
        FloatDistribution(0, 1, step=0.1),
    ],
)
def test_a_value_lies_in_the_part_it_was_drawn_from(distribution):
    cut = Discretised(distribution)
    for part in range(cut.size):
        for within in (0.01, 0.5, 0.99):
            value = cut.value(part, within)
            assert distribution._contains(distribution.to_internal_repr(value))
            assert cut.part(value) == part

"""Optuna's own suite for samplers, on the controller."""

from __future__ import annotations

import optuna
import pytest

from kshot_viz.search.controller.sampler import ReinforceSampler

# The oldest Optuna that is allowed has no such suite.
suite = pytest.importorskip("optuna.testing.pytest_samplers")

optuna.logging.set_verbosity(optuna.logging.WARNING)


class TestOptunasSuite(
    suite.BasicSamplerTestCase, suite.RelativeSamplerTestCase, suite.SingleOnlySamplerTestCase
):
    @pytest.fixture
    def sampler(self):
        return lambda: ReinforceSampler(seed=0)

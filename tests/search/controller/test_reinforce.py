"""REINFORCE: planted rewards are found."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kshot_viz.search.controller.network import ControllerStep
from kshot_viz.search.controller.reinforce import Reinforce, ReinforceConfig

LAYERS, VALUES = 8, 6


def planted(seed, rollouts):
    """Reward closeness to one hidden setting, with noise; return true rewards of both searches."""
    rng = np.random.default_rng(seed)
    hidden = rng.integers(0, VALUES, LAYERS)

    def true(x):
        return 1 - (np.abs(x - hidden) / (VALUES - 1)).mean(axis=1)

    learner = Reinforce(
        [ControllerStep(f"{i}", {f"x{i}": VALUES}) for i in range(LAYERS)], ReinforceConfig(), seed
    )
    draws = torch.Generator().manual_seed(seed)
    found, seen = [], []
    for _ in range(rollouts // learner.config.batch_size):
        uniform = torch.rand(learner.config.batch_size, LAYERS, generator=draws)
        chosen = learner.controller.sample(uniform)
        reward = true(chosen.numpy())
        noisy = reward + rng.normal(0, 0.05, len(reward))
        learner.update(chosen, torch.from_numpy(noisy))
        found, seen = [*found, *reward], [*seen, *noisy]
    lucky = true(rng.integers(0, VALUES, (rollouts, LAYERS)))
    best = lucky[(lucky + rng.normal(0, 0.05, rollouts)).argmax()]
    return np.mean(found[-20:]), found[int(np.argmax(seen))], best


@pytest.mark.slow
def test_a_planted_setting_is_found_sooner_than_by_luck():
    runs = [planted(seed, 300) for seed in range(10)]
    assert sum(best > lucky for _, best, lucky in runs) >= 9
    assert np.mean([late for late, _, _ in runs]) >= 0.85


@pytest.mark.slow
def test_a_planted_setting_is_found_to_the_end():
    assert sum(planted(seed, 1000)[1] >= 0.975 for seed in range(10)) >= 9

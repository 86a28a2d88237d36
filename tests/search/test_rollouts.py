"""Rollouts as batches and tables."""

from __future__ import annotations

import numpy as np
from small_search import small_search

from kshot_viz.search.rollouts import MOVING, batches


def test_the_columns_of_a_history_follow_from_its_rewards():
    result = small_search("memory").run()
    history = result.history
    assert history["spent"].tolist() == np.cumsum(history["cost"]).tolist()
    assert history["best"].tolist() == history["reward"].cummax().tolist()
    moving = [history["reward"][max(0, i + 1 - MOVING) : i + 1].mean() for i in history.index]
    np.testing.assert_allclose(history["mean"], moving)
    sizes = [len(one) for one in batches(result.rollouts, 4)]
    assert history.groupby("batch").size().tolist() == sizes


def test_the_policy_of_every_batch_sums_to_one():
    policy = small_search("memory").run().policy
    sums = policy.groupby(["batch", "parameter"])["probability"].sum()
    np.testing.assert_allclose(sums, 1)
    assert small_search("memory", sampler="random", budget=4).run().policy.empty

"""Two comparisons of equals, in which a careless choice of settings reports a win."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kshot_viz.seeds import numpy_rng
from kshot_viz.study import plan
from kshot_viz.study.findings.finding import findings as sentences
from kshot_viz.study.settings.grid import TuningGrid
from kshot_viz.viz.report.summary_text import notes

CARELESS = {"choose": "best", "race": False}
LRS = (0.01, 0.03, 0.1)


def planted(accuracy: Callable[..., float]) -> Callable[..., pd.DataFrame]:
    """Return a stand-in for ``evaluate``: a run's accuracy is a function of its setting."""

    def run(backbone, data, episodes, candidates, *, at_steps, seed, **options: Any):
        rows = [
            {
                "method": one.name,
                "data": each.data_name,
                "backbone": backbone.name,
                "way": each.way,
                "shot": each.shot,
                "pool": each.pool,
                "episode": each.name,
                "steps": steps,
                "lr": one.config.lr,
                "head_lr": one.config.head_lr,
                "n_query": 90,
                "candidate": one.key,
                "accuracy": accuracy(one, each),
                "status": "ok",
            }
            for one in candidates
            for each in episodes
            for steps in at_steps or [one.config.steps]
        ]
        return pd.DataFrame(rows)

    return run


@pytest.fixture
def findings(compare, monkeypatch, many):
    def run(accuracy, lrs, **options):
        monkeypatch.setattr(plan, "evaluate", planted(accuracy))
        grid = TuningGrid(lrs=lrs, head_lrs=(0.1,), steps=(8,), extend=options.pop("extend", 3))
        found = compare(methods=["plain", "grouped"], episodes=many, grid=grid, n_val=3, **options)
        return found, sentences(found.summary(), found.manifest)[0]

    return run


@pytest.fixture(scope="module")
def many(data):
    from kshot_viz.data.episodes import sample_episodes

    return sample_episodes(data, way=3, shot=1, query=5, n=24, seed=1)


def noise(*names: str) -> float:
    return 0.03 * numpy_rng(0, "/".join(names)).standard_normal()


def too_high(candidate, episode):
    """Both reach 80 %, plain at a tenth of the step size of groups; above it collapses."""
    fits = 0.003 * {"plain": 1.0, "grouped": 10.0}[candidate.name]
    lr = candidate.config.lr
    reached = 0.34 if lr > 1.1 * fits else 0.8 - 0.1 * math.log10(fits / lr)
    return reached + noise(candidate.name, episode.name)


def brink(candidate, episode):
    """Both reach 75 %. The largest step size brings plain to 100 %, or ruins it."""
    if (candidate.name, candidate.config.lr) == ("plain", LRS[-1]):
        ruined = episode.index % 3 < 2 if episode.pool == "test" else episode.index == 2
        return 0.34 if ruined else 1.0
    return 0.75 + noise(candidate.name, episode.name)


@pytest.mark.slow
def test_a_grid_that_starts_too_high(findings):
    _, careless = findings(too_high, LRS, extend=0, **CARELESS)
    assert "groups scored" in careless
    assert "above plain" in careless
    found, careful = findings(too_high, LRS)
    assert "no method differs clearly" in careful
    plain = found.settings.set_index("method").loc["plain"]
    assert (plain.lr, plain.edge) == (0.001, "")
    bounded, _ = findings(lambda one, each: too_high(one.at(lr=50 * one.config.lr), each), LRS)
    assert any(
        "beyond which others may be better: plain (lr smallest)" in one for one in notes(bounded)
    )


def test_a_step_size_that_collapses_in_one_of_three_episodes(findings):
    found, careless = findings(brink, LRS, extend=0, **CARELESS)
    assert found.settings.set_index("method").lr["plain"] == LRS[-1]
    assert "groups scored" in careless
    found, careful = findings(brink, LRS, extend=0)
    plain = found.settings.set_index("method").loc["plain"]
    assert plain.lr < LRS[-1]
    assert plain.collapsed == 0
    assert "no method differs clearly" in careful
    both = found.choices().set_index(["method", "rule"])
    assert both.lr["plain", "best"] == LRS[-1]
    assert both.collapsed["plain", "best"] == 1


def test_an_interval_that_only_alone_excludes_zero_is_explained(findings):
    gains = dict(zip(range(24), np.resize([0.5, -0.02, -0.02], 24), strict=True))

    def accuracy(candidate, episode):
        return 0.5 + (candidate.name == "grouped") * gains[episode.index]

    found, finding = findings(accuracy, (0.01,), tune=None)
    row = found.summary().set_index("method").loc["grouped"]
    assert row.difference_low > 0
    assert row.p_holm > 0.05
    assert "no method differs clearly" in finding
    assert "the 95 % interval excludes zero, but adjusted" in finding

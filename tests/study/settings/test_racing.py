"""Settings that are clearly behind stop, and the grid grows where the best one is at its edge."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pandas as pd
import pytest
from tuning_rows import row, tuned

from kshot_viz.finetune.candidate import Candidate
from kshot_viz.study.settings.choice import tuned_settings
from kshot_viz.study.settings.grid import TuningGrid
from kshot_viz.study.settings.racing import clearly_behind
from kshot_viz.study.settings.tuning import Tuner, next_value, tune

EPISODES = [f"val/{i}" for i in range(6)]
PLAIN, HEAD = Candidate(), Candidate(method="head_only")


@dataclass
class Planted:
    """Stands for running candidates: their accuracy is a function of the setting."""

    accuracy: object
    ran: list = field(default_factory=list)

    def __call__(self, episodes, candidates):
        self.ran += [(one.setting_key, each) for one in candidates for each in episodes]
        return pd.DataFrame(
            [
                row(
                    one.name,
                    self.accuracy(one.config, each),
                    episode=each,
                    n_query=150,
                    lr=one.config.lr,
                    head_lr=one.config.head_lr,
                    step_size=one.setting(one.method.axis),
                    steps=one.config.steps,
                    tuned=tuned_settings(one),
                    setting=one.setting_key,
                )
                for one in candidates
                for each in episodes
            ]
        )


def tuned_by(accuracy, *, race=False, rivals=(PLAIN,), rule="best", **changes):
    given = {"lrs": (0.01, 0.03, 0.1), "head_lrs": (0.1,), "steps": (8,)} | changes
    run = Planted(accuracy)
    grid = TuningGrid(**given)
    tried = [each for one in rivals for each in grid.candidates(one)]
    return tune(Tuner(run, list(rivals), tried, grid, rule, race), EPISODES), run


# ---- racing ------------------------------------------------------------------------------------


def test_what_is_clearly_behind_runs_on_one_episode_only():
    found, run = tuned_by(lambda config, _: 0.8 if config.lr == 0.03 else 0.5, race=True, extend=0)
    assert len(run.ran) == 6 + 2 * 1
    rows = found.rows
    assert rows[rows.stopped].groupby("lr").size().to_dict() == {0.01: 1, 0.1: 1}
    assert found.settings.iloc[0].lr == 0.03


def test_what_is_close_runs_on_all_episodes():
    found, run = tuned_by(lambda config, _: 0.8 if config.lr == 0.03 else 0.79, race=True, extend=0)
    assert len(run.ran) == 3 * 6
    assert not found.rows.stopped.any()


def test_what_stopped_goes_on_where_that_which_was_ahead_collapses_later():
    def accuracy(config, episode):
        if config.lr == 0.1:
            return 0.34 if episode == "val/4" else 0.95
        return 0.7 if config.lr == 0.03 else 0.5

    found, run = tuned_by(accuracy, race=True, extend=0, rule="guarded")
    # The next smaller one is its neighbour, and on the brink with it.
    assert len(run.ran) == 3 * 6
    assert found.settings.iloc[0].lr == 0.01
    assert not found.rows.stopped.any()


def test_without_racing_everything_runs():
    _, run = tuned_by(lambda config, _: 0.8 if config.lr == 0.03 else 0.4, extend=0)
    assert len(run.ran) == 3 * 6


def test_a_run_stops_only_where_it_is_behind_at_every_number_of_steps():
    rows = [
        *tuned([0.9, 0.9], lr=0.1),
        *tuned([0.2, 0.2], lr=0.01, steps=8),
        *tuned([0.85, 0.85], lr=0.01, steps=4),
        *tuned([0.2, 0.2], lr=0.001, steps=8),
    ]
    assert clearly_behind(pd.DataFrame(rows)) == {("plain", "0.001 0.1")}


def test_methods_race_among_their_own_settings():
    rows = [*tuned([0.9, 0.9], lr=0.1), row("grouped", 0.3, episode="val/0")]
    assert not clearly_behind(pd.DataFrame(rows))


# ---- growing -----------------------------------------------------------------------------------


def peak(at):
    """Return an accuracy that is best at one step size."""
    return lambda config, _: 0.9 - 0.05 * abs(round(math.log10(config.lr / at), 3))


@pytest.mark.parametrize(("at", "values"), [(0.001, 6), (0.3, 5), (0.03, 3)])
def test_the_grid_grows_until_the_best_is_inside(at, values):
    found, _ = tuned_by(peak(at))
    tried = found.values["plain"]["lr"]
    assert len(tried) == values
    assert tried[0] < found.settings.lr[0] < tried[-1]
    assert found.settings.lr[0] == pytest.approx(at)
    assert found.settings.edge[0] == ""
    assert sorted(found.rows.lr.unique()) == list(tried)


def test_growing_is_bounded_and_the_edge_is_told():
    found, _ = tuned_by(peak(1e-9))
    assert len(found.values["plain"]["lr"]) == 3 + 3
    assert found.settings.edge[0] == "lr smallest"
    none, _ = tuned_by(peak(1e-9), extend=0)
    assert len(none.values["plain"]["lr"]) == 3


def test_a_flat_curve_does_not_grow():
    found, _ = tuned_by(lambda *_: 0.7)
    assert len(found.values["plain"]["lr"]) == 3


def test_it_does_where_nothing_is_better_than_guessing():
    found, _ = tuned_by(lambda config, _: 0.33 if config.lr > 0.002 else peak(0.001)(config, _))
    assert found.values["plain"]["lr"][0] < found.settings.lr[0] == 0.001


def test_a_single_value_is_fixed():
    found, _ = tuned_by(peak(1.0), lrs=(0.01,))
    assert found.values["plain"]["lr"] == (0.01,)
    assert found.settings.edge[0] == ""


def test_methods_that_began_with_the_same_values_grow_together():
    def accuracy(config, _):
        return peak(0.1 if config.momentum else 0.03)(config, _)

    still = Candidate(None, PLAIN.config.but(momentum=0.0), name="still")
    grid = {"head_lrs": (0.1, 1.0), "head_only_lrs": (0.1, 0.3, 1.0)}
    found, _ = tuned_by(accuracy, rivals=(PLAIN, still, HEAD), **grid)
    assert found.values["plain"]["lr"][-1] > 0.1
    assert found.values["still"] == found.values["plain"]
    assert found.values["head_only"] == {"head_lr": (0.1, 0.3, 1.0)}
    for name in ("plain", "still"):
        rows = found.rows[found.rows.method == name]
        assert sorted(rows.lr.unique()) == list(found.values[name]["lr"])
        # A new value meets all values of the other settings.
        assert set(rows.groupby("lr").head_lr.nunique()) == {2}


@pytest.mark.parametrize(
    ("values", "following"),
    [
        ((0.003, 0.01, 0.03), 0.1),
        ((0.001, 0.003, 0.01), 0.03),
        ((0.01, 0.1), 1.0),
        ((0.003, 0.001, 0.0003), 0.0001),
        ((0.1, 0.01), 0.001),
    ],
)
def test_values_go_on_as_they_came(values, following):
    assert next_value(values) == following

"""The controller on anybody's study: what this one promises."""

from __future__ import annotations

import optuna

from kshot_viz.search.controller.reinforce import ReinforceConfig
from kshot_viz.search.controller.sampler import ReinforceSampler

optuna.logging.set_verbosity(optuna.logging.WARNING)


def distance(trial):
    x, y = trial.suggest_categorical("x", list(range(5))), trial.suggest_int("y", 0, 5)
    return abs(x - 2) + abs(y - 4)


def test_it_learns_to_minimise():
    study = optuna.create_study(sampler=ReinforceSampler(seed=0))
    study.optimize(distance, n_trials=200)
    values = [trial.value for trial in study.trials]
    assert sum(values[-30:]) < 0.5 * sum(values[:30])


def test_a_study_that_is_loaded_again_goes_on_as_if_it_had_not_stopped():
    whole = optuna.create_study(sampler=ReinforceSampler(seed=3))
    whole.optimize(distance, n_trials=47)
    first = optuna.create_study(sampler=ReinforceSampler(seed=3))
    first.optimize(distance, n_trials=25)
    again = optuna.create_study(sampler=ReinforceSampler(seed=3))
    again.add_trials(first.trials)
    again.optimize(distance, n_trials=22)
    assert [t.params for t in again.trials] == [t.params for t in whole.trials]


def test_failed_trials_teach_nothing_and_pruned_ones_their_last_value():
    def objective(trial):
        x = trial.suggest_categorical("x", [0, 1])
        if trial.number % 7 == 3:
            raise ValueError
        trial.report(float(x), 1)
        if trial.number % 5 == 2:
            raise optuna.TrialPruned
        return float(x)

    sampler = ReinforceSampler(seed=0, config=ReinforceConfig(batch_size=5))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=100, catch=(ValueError,))
    late = [trial.params["x"] for trial in study.trials[-30:]]
    assert sum(late) > 20
    assert len(sampler.updates(study)) == 20

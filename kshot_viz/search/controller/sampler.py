"""The recurrent controller as an Optuna sampler, for any Optuna study."""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import TrialState

from kshot_viz.errors import KShotValueError
from kshot_viz.search.controller.network import ControllerStep
from kshot_viz.search.controller.reinforce import Reinforce, ReinforceConfig, Update
from kshot_viz.seeds import child_seed, numpy_rng
from kshot_viz.threads import one_thread

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial


# A trial that never ends (its process died) delays its batch until so many batches more exist.
PATIENCE = 4
Distributions = Mapping[str, "BaseDistribution"]


class ReinforceSampler(BaseSampler):
    """A recurrent controller that is trained by REINFORCE.

    The study's finished trials, in order of their number and ``batch_size`` at a time, are its
    rollouts; nothing else is remembered, so a proposal is a function of seed, trial number and the
    trials of finished batches, and a study that is loaded again goes on as if it had never stopped.
    Trials that failed are left out of their batch; the reward of a pruned one is its last
    intermediate value.

    Parameters
    ----------
    seed : int, optional
        Drawn at random by default.
    config : ReinforceConfig, optional
    search_space : mapping of str to distribution, optional
        The parameters, if known beforehand. By default those that all finished trials share, as in
        Optuna's own samplers; others are drawn at random, each for itself.
    steps : sequence of ControllerStep, optional
        The parameters that are chosen in each step of the controller, in order, and the features of
        each step; one step a parameter by default. Needs ``search_space``.

    Notes
    -----
    Integer and real parameters are cut into at most 8 parts; inside a part values are uniform.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        config: ReinforceConfig | None = None,
        search_space: Distributions | None = None,
        steps: Sequence[ControllerStep] | None = None,
    ) -> None:
        self._seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self.config = config or ReinforceConfig()
        if steps is not None and search_space is None:
            raise KShotValueError("`steps` needs `search_space`: they name its parameters.")
        self._given, self._steps = search_space, steps
        self._common = IntersectionSearchSpace()
        self._learners: dict[tuple[Any, ...], _Learner] = {}
        self._lock = threading.RLock()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters that are chosen together."""
        self._raise_error_if_multi_objective(study)
        return self._space(study)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the controller's choices."""
        self._raise_error_if_multi_objective(study)
        if not search_space:
            return {}
        with self._lock, one_thread():
            return self._learner(study, search_space).propose(trial.number)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw a parameter that not all trials have at random."""
        self._raise_error_if_multi_objective(study)
        seed = child_seed(self._seed, "independent", trial.number, param_name) % 2**32
        sampler = RandomSampler(seed=seed)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def updates(self, study: Study) -> list[Update]:
        """Return the controller's update of each batch so far."""
        space = self._space(study)
        with self._lock, one_thread():
            return list(self._learner(study, space).updates) if space else []

    def _space(self, study: Study) -> dict[str, BaseDistribution]:
        if self._given is not None:
            return dict(self._given)
        common = self._common.calculate(study)
        return {name: one for name, one in common.items() if not one.single()}

    def _learner(self, study: Study, space: Distributions) -> _Learner:
        """Return the controller of this space, after all batches that are finished."""
        key = (study.study_name, *sorted(map(repr, space.items())))
        if key not in self._learners:
            # A space that changed is learned anew from all trials.
            self._learners = {key: _Learner(space, self._steps, self.config, self._seed)}
        learner = self._learners[key]
        learner.learn(study)
        return learner


class _Learner:
    """A controller in training, and the number of trials it has read."""

    def __init__(
        self,
        space: Distributions,
        steps: Sequence[ControllerStep] | None,
        config: ReinforceConfig,
        seed: int,
    ) -> None:
        self._parts = {name: Discretised(one) for name, one in space.items()}
        self._space, self._seed = space, seed
        steps = steps or [
            ControllerStep(name, {name: part.size}) for name, part in self._parts.items()
        ]
        self._reinforce = Reinforce(steps, config, child_seed(seed, "controller"))
        self._names = self._reinforce.controller.names
        self.updates: list[Update] = []
        self._read = 0

    def propose(self, number: int) -> dict[str, Any]:
        """Return the parameters of the trial of that number."""
        rng = numpy_rng(self._seed, "trial", number)
        draws = torch.from_numpy(rng.random((1, len(self._names))))
        chosen = self._reinforce.controller.sample(draws)[0].tolist()
        within = rng.random(len(self._names)).tolist()
        return {
            name: self._parts[name].value(part, at)
            for name, part, at in zip(self._names, chosen, within, strict=True)
        }

    def learn(self, study: Study) -> None:
        """Learn from the batches that have finished since."""
        size = self._reinforce.config.batch_size
        trials = study.get_trials(deepcopy=False)
        sign = 1.0 if study.direction.name == "MAXIMIZE" else -1.0
        while len(batch := trials[self._read : self._read + size]) == size:
            overdue = len(trials) >= self._read + PATIENCE * size
            if not (overdue or all(trial.state.is_finished() for trial in batch)):
                return
            self._read += size
            valued = [(one, value) for one in batch if (value := self._reward(one)) is not None]
            if valued:
                chosen = [self._chosen(trial) for trial, _ in valued]
                rewards = torch.tensor([sign * value for _, value in valued], dtype=torch.float64)
                self.updates.append(self._reinforce.update(torch.tensor(chosen), rewards))

    def _chosen(self, trial: FrozenTrial) -> list[int]:
        return [self._parts[name].part(trial.params[name]) for name in self._names]

    def _reward(self, trial: FrozenTrial) -> float | None:
        """Return the value of a trial; None if it failed, or is of another space."""
        if any(trial.distributions.get(name) != one for name, one in self._space.items()):
            return None
        value = trial.value if trial.state == TrialState.COMPLETE else None
        if trial.state == TrialState.PRUNED and trial.intermediate_values:
            value = trial.intermediate_values[max(trial.intermediate_values)]
        return value if value is not None and np.isfinite(value) else None


# Ranges of numbers are cut into so many equal parts, at most.
PARTS = 8


class Discretised:
    """A distribution cut into numbered parts of equal width (of the logarithm, if it has one).

    Parameters
    ----------
    distribution : optuna.distributions.BaseDistribution
        Each choice of a categorical one, and each of at most ``PARTS`` integers or steps, is a part
        of its own.
    """

    def __init__(self, distribution: BaseDistribution) -> None:
        from optuna.distributions import (
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

        known = (CategoricalDistribution, FloatDistribution, IntDistribution)
        if type(distribution) not in known:
            raise KShotValueError(f"There are no parts of {distribution!r}.")
        self._of = cast(Any, distribution)
        self._choices = type(distribution) is CategoricalDistribution
        whole = type(distribution) is IntDistribution
        # The first step of each part, and the one after the last; none where values have no steps.
        self._starts = [] if self._choices or not (whole or self._of.step) else self._cut()

    @property
    def size(self) -> int:
        """Number of parts."""
        if self._choices:
            return len(self._of.choices)
        if self._starts:
            return len(self._starts) - 1
        return 1 if self._of.single() else PARTS

    def part(self, value: Any) -> int:
        """Return the part a value lies in."""
        if self._choices:
            return int(self._of.to_internal_repr(value))
        if self._starts:
            found = bisect_right(self._starts, round((value - self._of.low) / self._of.step)) - 1
        else:
            low, high = map(self._scale, (self._of.low, self._of.high))
            share = 0.0 if high == low else (self._scale(value) - low) / (high - low)
            found = math.floor(share * self.size)
        return min(self.size - 1, max(0, found))

    def value(self, part: int, within: float) -> Any:
        """Return the value at the share ``within``, in [0, 1), of a part's width."""
        if self._choices:
            return self._of.choices[part]
        if self._starts:
            first, after = self._starts[part : part + 2]
            return self._at(first + math.floor(within * (after - first)))
        low, high = map(self._scale, (self._of.low, self._of.high))
        found = low + (part + within) / self.size * (high - low)
        return min(self._of.high, max(self._of.low, math.exp(found) if self._of.log else found))

    def _cut(self) -> list[int]:
        """Cut the steps into parts that share none, and leave none out."""
        count = round((self._of.high - self._of.low) / self._of.step) + 1
        parts = min(PARTS, count)
        if self._of.log:
            ratio = (self._of.high + 1) / self._of.low
            ends = (self._of.low * (ratio ** (part / parts) - 1) for part in range(1, parts))
        else:
            ends = (part * count / parts for part in range(1, parts))
        inner = {math.ceil(end - 0.5) for end in ends} - {0, count}
        return [0, *sorted(inner), count]

    def _at(self, number: int) -> Any:
        value = self._of.low + number * self._of.step
        return value if isinstance(self._of.low, int) else min(self._of.high, float(value))

    def _scale(self, value: float) -> float:
        return math.log(value) if self._of.log else float(value)

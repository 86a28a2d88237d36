"""Batches of proposed points from the controller or any other Optuna sampler."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState, create_trial

from kshot_viz.activations import capture_activations
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.search.controller.layer_features import layer_features
from kshot_viz.search.controller.reinforce import ReinforceConfig
from kshot_viz.search.controller.sampler import ReinforceSampler
from kshot_viz.search.rewards.reward import Reward
from kshot_viz.search.rollouts import Rollout
from kshot_viz.search.settings import SearchSettings
from kshot_viz.search.storage.storages import quiet
from kshot_viz.seeds import child_seed

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

    from kshot_viz.models.backbone import Backbone
    from kshot_viz.search.controller.reinforce import Update

SAMPLERS: tuple[str, ...] = ("reinforce", "random", "tpe")


def learning_of(
    sampler: str | BaseSampler, learning: ReinforceConfig | None = None
) -> ReinforceConfig:
    """Return ``learning``, the sampler's own configuration, or the default.

    Raises
    ------
    KShotKeyError
        For an unknown name.
    KShotValueError
        If sampler and ``learning`` differ.
    """
    if isinstance(sampler, str) and sampler not in SAMPLERS:
        raise unknown_name("sampler", sampler, SAMPLERS)
    own = sampler.config if isinstance(sampler, ReinforceSampler) else None
    if own is not None and learning not in (None, own):
        raise KShotValueError(
            f"`learning` and the sampler's own `config` differ: {learning!r} and {own!r}. Leave "
            f"`learning` out."
        )
    return learning or own or ReinforceConfig()


def make_controller(
    settings: SearchSettings, network: Backbone, reward: Reward
) -> ReinforceSampler | None:
    """Return the controller with features of the network's layers; None for other samplers."""
    if settings.sampler != "reinforce":
        return None
    images = reward.source or reward.data
    shown = images.take(range(min(64, len(images))))
    features = layer_features(network, capture_activations(network, shown))
    return ReinforceSampler(
        seed=settings.seed,
        config=settings.learning,
        search_space=settings.space.distributions(),
        steps=settings.space.steps(features),
    )


class Proposals:
    """A sampler with a study in memory that holds the finished rollouts and nothing else.

    Proposing writes nothing to a disk, and a search that goes on fills the study again from its
    ledger. Random search and TPE get a new seed by name in each batch, so their proposals depend on
    the seed, the batch and the rollouts before it alone.

    Parameters
    ----------
    sampler : str or BaseSampler
        ``"reinforce"``, ``"random"``, ``"tpe"``, or any other sampler as it is.
    reinforce : ReinforceSampler or None
        The one for ``"reinforce"``.
    distributions : mapping
    seed : int
    """

    def __init__(
        self,
        sampler: str | BaseSampler,
        reinforce: ReinforceSampler | None,
        distributions: Mapping[str, BaseDistribution],
        seed: int,
    ) -> None:
        self._distributions, self._seed = dict(distributions), seed
        self._name = sampler if isinstance(sampler, str) else ""
        first = sampler if isinstance(sampler, BaseSampler) else self._make(0, reinforce)
        with quiet():
            self._study = optuna.create_study(direction="maximize", sampler=first)
        self._reinforce = first if isinstance(first, ReinforceSampler) else None
        self._trials: list[Trial] = []
        # Some samplers (a grid, say) report that they have proposed everything.
        self.exhausted = False

    def restore(self, rollouts: Sequence[Rollout]) -> None:
        """Add finished rollouts, in order."""
        for one in rollouts:
            self._study.add_trial(
                create_trial(
                    state=TrialState.COMPLETE,
                    value=one.reward,
                    params={name: one.parameters[name] for name in self._distributions},
                    distributions=self._distributions,
                )
            )

    def ask(
        self, batch: int, size: int, first: Sequence[Mapping[str, Any]] = ()
    ) -> list[dict[str, Any]]:
        """Return the parameters of a batch; ``first`` replaces its first proposals."""
        if self._name and self._reinforce is None:
            self._study.sampler = self._make(batch, None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._trials = []
            for index in range(size):
                if index < len(first):
                    given = {name: first[index][name] for name in self._distributions}
                    self._study.enqueue_trial(given)
                self._trials.append(self._study.ask(self._distributions))
        return [dict(trial.params) for trial in self._trials]

    def tell(self, rewards: Sequence[float]) -> Update | None:
        """Report the rewards of the batch, or of its first ones; return the controller's update."""
        known = len(self._reinforce.updates(self._study)) if self._reinforce else 0
        for trial, reward in zip(self._trials, rewards, strict=False):
            try:
                self._study.tell(trial, reward)
            except RuntimeError as error:
                # The reward is stored all the same; only there is no loop of Optuna's to stop.
                if "Study.stop" not in str(error):
                    raise
                self.exhausted = True
        updates = self._reinforce.updates(self._study) if self._reinforce else []
        return updates[known] if len(updates) > known else None

    def _make(self, batch: int, reinforce: ReinforceSampler | None) -> BaseSampler:
        seed = child_seed(self._seed, self._name, batch) % 2**32
        made: dict[str, Callable[[], BaseSampler | None]] = {
            "reinforce": lambda: reinforce,
            "random": lambda: RandomSampler(seed=seed),
            "tpe": lambda: TPESampler(seed=seed),
        }
        found = made[self._name]()
        assert found is not None
        return found

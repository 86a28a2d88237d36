"""REINFORCE (Williams, 1992): the policy gradient that trains the controller."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kshot_viz.errors import KShotValueError
from kshot_viz.search.controller.network import Controller, ControllerStep
from kshot_viz.seeds import torch_rng


@dataclass(frozen=True)
class ReinforceConfig:
    """How the controller learns.

    Attributes
    ----------
    batch_size : int
        Rollouts an update.
    lr : float
        Step size of the biases (Adam).
    recurrent_lr : float
        Step size of the recurrent part (Adam).
    entropy : float
        Weight of the entropy bonus at the first update.
    entropy_half_life : float
        Updates after which the bonus is half as large.
    memory : float
        Share of the moving averages of reward and spread that survives an update.
    baseline : float
        Share of the moving average in the baseline; the rest is the mean of the batch's other
        rollouts.
    max_norm : float
        A longer gradient is cut to this length.
    """

    batch_size: int = 10
    lr: float = 0.1
    recurrent_lr: float = 0.02
    entropy: float = 0.1
    entropy_half_life: float = 40.0
    memory: float = 0.8
    baseline: float = 0.5
    max_norm: float = 10.0

    def __post_init__(self) -> None:
        if type(self.batch_size) is not int or self.batch_size < 1:
            raise KShotValueError(
                f"`batch_size` must be a whole number >= 1; not {self.batch_size!r}."
            )
        if not self.entropy >= 0:
            raise KShotValueError(f"`entropy` must be >= 0; not {self.entropy!r}.")
        for name in ("lr", "recurrent_lr", "entropy_half_life", "max_norm"):
            if not getattr(self, name) > 0:
                raise KShotValueError(f"`{name}` must be > 0; not {getattr(self, name)!r}.")
        for name in ("memory", "baseline"):
            if not 0 <= getattr(self, name) <= 1:
                raise KShotValueError(f"`{name}` must lie in [0, 1]; not {getattr(self, name)!r}.")


@dataclass(frozen=True)
class Update:
    """One update of the controller from a batch of rollouts.

    Attributes
    ----------
    advantages : tuple of float
        Of each rollout, in units of the usual spread of rewards.
    probabilities : tuple of mapping
        Of each rollout: parameter -> probability of the chosen value.
    policy : mapping of str to tuple of float
        Parameter -> probability of each value before the update, mean over the rollouts.
    entropy : float
        Mean over choices, as a share of that of a uniform choice.
    gradient_norm : float
        Before it was cut.
    reward, baseline : float
        Mean of the batch, and the moving average before it.
    """

    advantages: tuple[float, ...]
    probabilities: tuple[dict[str, float], ...]
    policy: dict[str, tuple[float, ...]]
    entropy: float
    gradient_norm: float
    reward: float
    baseline: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dict(vars(self))


class Reinforce:
    """A controller in training.

    Parameters
    ----------
    steps : sequence of ControllerStep
    config : ReinforceConfig
    seed : int
        Draws the controller's first weights.
    """

    def __init__(self, steps: Sequence[ControllerStep], config: ReinforceConfig, seed: int) -> None:
        self.config = config
        self.controller = Controller(steps, torch_rng(seed, "weights"))
        biases, rest = self.controller.split_parameters()
        self._optimizer = torch.optim.Adam(
            [{"params": biases, "lr": config.lr}, {"params": rest, "lr": config.recurrent_lr}],
            betas=(0.8, 0.95),
        )
        self._updates = 0
        self._level: float | None = None
        self._spread: float | None = None

    def update(self, chosen: Tensor, rewards: Tensor) -> Update:
        """Learn from one batch of rollouts.

        Parameters
        ----------
        chosen : Tensor of int64, shape (rollouts, choices)
        rewards : Tensor of float64, shape (rollouts,)
        """
        level = float(rewards.mean()) if self._level is None else self._level
        advantages = self._advantages(rewards, level)
        logs = self.controller.log_probabilities(chosen)
        taken = torch.stack(
            [log.gather(1, chosen[:, i, None])[:, 0] for i, log in enumerate(logs)], dim=1
        )
        entropies = [-(log.exp() * log).sum(dim=1).mean() for log in logs]
        gain = (advantages.to(taken) * taken.sum(dim=1)).mean()
        loss = -gain - self._bonus() * torch.stack(entropies).sum()
        self._optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.controller.parameters(), self.config.max_norm)
        self._optimizer.step()
        self._updates += 1
        names = self.controller.names
        rows = taken.detach().exp().tolist()
        return Update(
            advantages=tuple(advantages.tolist()),
            probabilities=tuple(dict(zip(names, row, strict=True)) for row in rows),
            policy={
                name: tuple(log.detach().exp().mean(dim=0).tolist())
                for name, log in zip(names, logs, strict=True)
            },
            entropy=_share(entropies, self.controller.sizes),
            gradient_norm=float(norm),
            reward=float(rewards.mean()),
            baseline=level,
        )

    def _advantages(self, rewards: Tensor, level: float) -> Tensor:
        """Return how much better each rollout was than its baseline, shape (rollouts,)."""
        rollouts, keep = len(rewards), self.config.memory
        others = (rewards.sum() - rewards) / (rollouts - 1) if rollouts > 1 else rewards * 0 + level
        baseline = self.config.baseline * level + (1 - self.config.baseline) * others
        spread = float((rewards - level).square().mean().sqrt())
        before = spread if self._spread is None else self._spread
        self._spread = keep * before + (1 - keep) * spread
        self._level = keep * level + (1 - keep) * float(rewards.mean())
        return (rewards - baseline) / max(self._spread, 1e-8)

    def _bonus(self) -> float:
        return self.config.entropy * 0.5 ** (self._updates / self.config.entropy_half_life)


def _share(entropies: Sequence[Tensor], sizes: Sequence[int]) -> float:
    """Return the mean entropy of a choice as a share of the largest; 0 where there is no choice."""
    shares = [
        float(entropy.detach()) / math.log(size)
        for entropy, size in zip(entropies, sizes, strict=True)
        if size > 1
    ]
    return sum(shares) / len(shares) if shares else 0.0

"""The reference loop: clear before fast. Every quicker path is tested against it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kshot_viz.finetune.config import FinetuneConfig
from kshot_viz.finetune.device import check_device
from kshot_viz.finetune.methods import resolve_method
from kshot_viz.finetune.optimizer import TiedOptimizer
from kshot_viz.finetune.result import FinetuneResult, outcome
from kshot_viz.finetune.slots import Slot, plan_slots
from kshot_viz.finetune.support import Support, prepare_support
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.models.modes import evaluating
from kshot_viz.seeds import child_seed

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


def finetune(
    backbone: Backbone,
    support: Any,
    *,
    method: str = "grouped",
    grouping: Grouping | None = None,
    config: FinetuneConfig | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: bool = False,
) -> FinetuneResult:
    """Fine-tune a copy of a network on a handful of labelled images.

    The head is replaced by a linear one that starts at zero. Every step uses all support images.
    The caller's network is not touched.

    Parameters
    ----------
    backbone : Backbone
    support : object with ``images`` and ``labels``, or a pair (images, labels)
    method : {"grouped", "plain", "last_block", "head_only"}
        Which parameters move; ``"grouped"`` gives the neurons of a group one averaged gradient
        (Yoo et al., AAAI 2018).
    grouping : Grouping, optional
        Needed by ``"grouped"`` and only there.
    config : FinetuneConfig, optional
    seed : int
        Used for dropout when ``config.train_mode`` is on; nothing else is random.
    device : str or torch.device, optional
        Where to tune; the network's own device by default.
    progress : bool
        Show a progress bar.

    Returns
    -------
    FinetuneResult
        A run whose loss becomes NaN or infinite ends there, with status
        ``"diverged at step N"``; it is no error.

    Raises
    ------
    KShotValueError
        For a grouping made for another network, one class only, or images that do not fit.
    KShotKeyError
        For an unknown method or layer name.
    """
    run = start_run(backbone, support, method, grouping, config or FinetuneConfig(), device)
    begin = time.perf_counter()
    losses, accuracies = [], []
    for _, loss, accuracy in _shown(run.states(seed), run.config.steps, progress):
        losses.append(loss)
        accuracies.append(accuracy)
    return FinetuneResult(
        backbone=run.backbone,
        classes=run.support.classes,
        losses=tuple(losses),
        accuracies=tuple(accuracies),
        method=method,
        grouping=grouping,
        config=run.config,
        seed=seed,
        status=outcome(losses),
        seconds=time.perf_counter() - begin,
    )


@dataclass(frozen=True, eq=False)
class Run:
    """Everything one run needs: a copy of the network, its data, and what trains."""

    backbone: Backbone
    support: Support
    slots: list[Slot]
    config: FinetuneConfig

    def states(self, seed: int) -> Iterator[tuple[int, float, float]]:
        """Train, and yield (steps taken, support loss, support accuracy) at every state passed.

        The first state is the untouched start, the last one either has all steps behind it or is
        the first with a loss that is not finite. Between two states the network may be looked at.
        """
        optimizer = TiedOptimizer(self.slots, self.config)
        for step in range(self.config.steps + 1):
            loss, accuracy = self._loss(seed, step)
            yield step, loss.item(), accuracy
            if step == self.config.steps or not bool(torch.isfinite(loss)):
                return
            optimizer.step(loss)

    def _loss(self, seed: int, step: int) -> tuple[Tensor, float]:
        with _mode(self.backbone.module, self.config.train_mode, child_seed(seed, "dropout", step)):
            # A copy, since the network may write to its input.
            logits = self.backbone.module(self.support.inputs.clone())
        loss = F.cross_entropy(logits, self.support.targets)
        hits = logits.detach().argmax(dim=1) == self.support.targets
        return loss, hits.double().mean().item()


def start_run(
    backbone: Backbone,
    support: Any,
    method: str,
    grouping: Grouping | None,
    config: FinetuneConfig,
    device: str | torch.device | None = None,
) -> Run:
    """Copy the network, give it a head for the support's classes, and plan what trains."""
    chosen = resolve_method(method, grouping)
    check_device(device)
    if not isinstance(support, Support):
        support = prepare_support(backbone, support)
    tuned = backbone.with_new_head(len(support.classes))
    if device is not None:
        tuned = tuned.to(device)
        inputs, targets = support.inputs.to(device), support.targets.to(device)
        support = Support(inputs, targets, support.classes)
    return Run(tuned, support, plan_slots(tuned, chosen, grouping, config), config)


@contextlib.contextmanager
def _mode(module: nn.Module, train_mode: bool, seed: int) -> Iterator[None]:
    if not train_mode:
        with evaluating(module):
            yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module.train()
        try:
            yield
        finally:
            module.eval()


def _shown(states: Iterator[Any], steps: int, progress: bool) -> Iterator[Any]:
    from tqdm.auto import tqdm

    return tqdm(states, total=steps + 1, desc="finetune", unit="step", disable=not progress)

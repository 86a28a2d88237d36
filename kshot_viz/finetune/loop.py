"""The reference loop: clear before fast. Every quicker path is tested against it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kshot_viz.checks import checked, flag, instance, optional, whole
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.candidate import grouping_for, settings_for
from kshot_viz.finetune.mini_batches import batch_rows
from kshot_viz.finetune.optimizer import TiedOptimizer
from kshot_viz.finetune.result import FinetuneResult, outcome
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.hooks import Batch, Setup, Step
from kshot_viz.methods.registry import resolve_method
from kshot_viz.methods.slots import Slot
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.models.inputs.support import (
    Support,
    prepare_support,
    support_images,
    support_labels,
)
from kshot_viz.models.modes import check_device, evaluating
from kshot_viz.seeds import child_seed
from kshot_viz.threads import one_thread
from kshot_viz.trackers.callback import Callback, RunInfo, callbacks_rule
from kshot_viz.trackers.session import scalars, session


@checked(
    backbone=BACKBONE,
    grouping=optional(instance(Grouping, GroupingRule)),
    config=optional(instance(FinetuneConfig)),
    seed=whole(0),
    progress=flag,
    callbacks=callbacks_rule,
)
@one_thread()
def finetune(
    backbone: Backbone,
    support: Any,
    *,
    method: str | Method = "grouped",
    grouping: Grouping | GroupingRule | None = None,
    config: FinetuneConfig | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: bool = False,
    callbacks: Sequence[Callback] = (),
) -> FinetuneResult:
    """Fine-tune a copy of a network on a handful of labelled images.

    The head is replaced by a linear one that starts at zero unless the method says otherwise. Every
    step uses all support images, unless the config names a ``batch_size``. The caller's network is
    not touched.

    Parameters
    ----------
    backbone : Backbone
    support : object with ``images`` and ``labels``, or a pair (images, labels)
    method : str or Method
        A name of :func:`kshot_viz.list_methods`, or a method object. ``"grouped"`` gives the
        neurons of a group one averaged gradient (Yoo et al., AAAI 2018).
    grouping : Grouping or GroupingRule, optional
        Needed by methods that share gradients, such as ``"grouped"``, and only there.
    config : FinetuneConfig, optional
    seed : int
        Of dropout when ``config.train_mode`` is on, of mini-batches, and of groups that a rule
        forms.
    device : str or torch.device, optional
        Where to tune; the network's own device by default.
    progress : bool
        Show a progress bar.
    callbacks : sequence of Callback
        Told of every step: see :class:`kshot_viz.trackers.Callback`.

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
    chosen = resolve_method(method)
    wanted = grouping_for(chosen, grouping)
    groups = formed_groups(wanted, backbone=backbone, support=support, seed=seed)
    run = start_run(backbone, support, chosen, groups, settings_for(chosen, config), device)
    with session(callbacks, _info(run, backbone, seed)) as told:
        begin, waited = time.perf_counter(), told.seconds
        losses, accuracies = [], []
        for step, loss, accuracy in _shown(run.states(seed), run.config.steps, progress):
            losses.append(loss)
            accuracies.append(accuracy)
            told.row({"step": step, "loss": loss, "accuracy": accuracy})
        result = FinetuneResult(
            backbone=run.backbone,
            classes=run.support.classes,
            losses=tuple(losses),
            accuracies=tuple(accuracies),
            method=chosen.name,
            grouping=groups,
            config=run.config,
            seed=seed,
            status=outcome(losses),
            seconds=time.perf_counter() - begin - (told.seconds - waited),
            added=run.added,
        )
        return told.finish(result)


def _info(run: Run, backbone: Backbone, seed: int) -> RunInfo:
    """Describe a run to callbacks."""
    about = {"backbone": backbone.name, "method": run.method.name}
    sizes = {"way": len(run.support.classes), "images": len(run.support.targets), "seed": seed}
    return RunInfo("finetune", {**about, **sizes, **scalars(run.config.to_dict())})


def formed_groups(
    grouping: Grouping | GroupingRule | None, *, backbone: Backbone, support: Any, seed: int
) -> Grouping | None:
    """Return the groups of a run, formed from its support where a rule is given."""
    if not isinstance(grouping, GroupingRule):
        return grouping
    images, labels = support_images(support), support_labels(support)
    return grouping.in_episode(backbone, images, name="finetune", seed=seed, labels=labels)


@dataclass(frozen=True, eq=False)
class Run:
    """Everything one run needs: a copy of the network, its data, and what trains."""

    backbone: Backbone
    support: Support
    method: Method
    slots: list[Slot]
    config: FinetuneConfig
    added: tuple[str, ...] = ()

    def states(self, seed: int) -> Iterator[tuple[int, float, float]]:
        """Train, and yield (steps taken, support loss, support accuracy) at every state passed.

        With mini-batches, loss and accuracy are those of the batch of the next step.
        The first state is the untouched start, the last one either has all steps behind it or is
        the first with a loss that is not finite. Between two states the network may be looked at.
        """
        optimizer = TiedOptimizer(self.slots, self.config)
        for number in range(self.config.steps + 1):
            loss, accuracy = self._loss(seed, number)
            yield number, loss.item(), accuracy
            if number == self.config.steps or not bool(torch.isfinite(loss)):
                return
            step = Step(number, self.config.steps, optimizer.lr)
            self.method.schedule(self.backbone, step)
            self.method.before_step(self.backbone, step)
            step.check(optimizer.lr.keys())
            optimizer.step(loss, step.lr)
            self.method.after_step(self.backbone, step)

    def batch(self, step: int = 0, seed: int = 0) -> Batch:
        """Return the images of a step as the method's loss takes them."""
        drawn = child_seed(seed, "loss", step)
        inputs, targets = self.support.inputs, self.support.targets
        rows = batch_rows(len(targets), self.config.batch_size, step, seed)
        if rows is None:
            return Batch(self.backbone, inputs, targets, step, drawn)
        rows = rows.to(targets.device)
        return Batch(self.backbone, inputs[rows], targets[rows], step, drawn, rows)

    def _loss(self, seed: int, step: int) -> tuple[Tensor, float]:
        batch = self.batch(step, seed)
        if not len(batch.targets):
            # The mean over no image; the head was made without any.
            return torch.zeros(()), float("nan")
        with _mode(self.backbone.module, self.config.train_mode, child_seed(seed, "dropout", step)):
            loss = self.method.loss(self.backbone, batch)
            hits = batch.logits.detach().argmax(dim=1) == batch.targets
        return loss, hits.double().mean().item()


def start_run(
    backbone: Backbone,
    support: Any,
    method: Method,
    grouping: Grouping | None,
    config: FinetuneConfig,
    device: str | torch.device | None = None,
) -> Run:
    """Copy the network, give it a head for the support's classes, and attach the method.

    Raises
    ------
    KShotValueError
        If the method cannot be used on the network, or the grouping is of another network.
    """
    check_applies(method, backbone)
    check_precision(method, backbone, config)
    check_device(device)
    if grouping is not None:
        grouping.check(backbone)
    if not isinstance(support, Support):
        support = prepare_support(backbone, support)
    if not len(support.targets):
        check_shots(method, 0)
    tuned = backbone.with_new_head(len(support.classes))
    if device is not None:
        tuned = tuned.to(device)
        support = support.to(device)
    method.head.fill(tuned, support)
    before = set(tuned.module.state_dict())
    slots = method.attach(tuned, Setup(config, support, grouping))
    _train_only(tuned.module, slots)
    added = sorted(tuned.module.state_dict().keys() - before)
    return Run(tuned, support, method, slots, config, tuple(added))


def check_applies(method: Method, backbone: Backbone) -> None:
    """Raise a KShotValueError if a method cannot be used on a network."""
    reason = method.applies(backbone)
    if reason:
        raise KShotValueError(f"method={method.name!r} cannot tune {backbone.name!r}: {reason}.")


def check_precision(method: Method, backbone: Backbone, config: FinetuneConfig) -> None:
    """Raise a KShotValueError for Adam in float16, in which the 1e-8 of its divisor is zero."""
    half = any(one.dtype == torch.float16 for one in backbone.module.parameters())
    if half and config.optimizer != "sgd" and method.takes_steps:
        raise KShotValueError(
            f"optimizer={config.optimizer!r} divides by zero in float16; use 'sgd', or a network "
            f"in float32 (backbone.module.float()) or bfloat16."
        )


def check_shots(method: Method, shot: int) -> None:
    """Raise a KShotValueError if a method needs images of a class and there are none."""
    if shot == 0 and method.needs_images:
        raise KShotValueError(
            f"method={method.name!r} needs at least one image of each class, and there are 0 "
            f"shots. Descriptions of the classes need none: FromWords(head=HeadFromWords(...))."
        )


def _train_only(module: nn.Module, slots: list[Slot]) -> None:
    """Let gradients flow to the slots' parameters alone."""
    names = [slot.name for slot in slots]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise KShotValueError(f"A method attached two slots of one name: {', '.join(double)}.")
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    for slot in slots:
        slot.parameter.requires_grad_(True)


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
    if not progress:
        # Even a bar that is not shown makes a lock, which a worker process would leave behind.
        return states
    from tqdm.auto import tqdm

    return iter(tqdm(states, total=steps + 1, desc="finetune", unit="step"))

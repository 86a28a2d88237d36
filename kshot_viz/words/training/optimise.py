"""The loop of both stages: AdamW on a one-cycle schedule, with checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from kshot_viz.words.training.checkpoint import Checkpoint

_SAVE_EVERY = 250
_WARM_UP = 0.3
_FIRST, _LAST = 1 / 25, 1 / 250_000


def optimise(
    module: nn.Module,
    loss_of: Callable[[int], Tensor],
    *,
    steps: int,
    lr: float,
    weight_decay: float,
    checkpoint: Checkpoint | None,
    progress: bool,
    label: str,
) -> None:
    """Train the parameters of a module in place.

    Parameters
    ----------
    module : nn.Module
    loss_of : function
        Step -> loss; it must depend on the step alone, so that a resumed run is the same.
    steps, lr, weight_decay
        Of AdamW and its schedule.
    checkpoint : Checkpoint or None
        Is written every 250 steps and at the end, and gone on from where it exists.
    progress : bool
        Show a progress bar.
    label : str
        What the bar says.
    """
    from tqdm.auto import trange

    optimizer = torch.optim.AdamW(module.parameters(), lr, weight_decay=weight_decay)
    done = 0 if checkpoint is None else checkpoint.restore(module, optimizer)
    for step in trange(done, steps, initial=done, total=steps, desc=label, disable=not progress):
        for group in optimizer.param_groups:
            group["lr"] = lr * one_cycle(step, steps)
        loss = loss_of(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if checkpoint is not None and ((step + 1) % _SAVE_EVERY == 0 or step + 1 == steps):
            checkpoint.save(module, optimizer, step + 1)


def one_cycle(step: int, steps: int) -> float:
    """Return the step size as a share of its peak: up for 30 % of the steps, then down."""
    top = max(1.0, _WARM_UP * steps - 1)
    if step <= top:
        return _between(_FIRST, 1.0, step / top)
    return _between(1.0, _LAST, (step - top) / max(1.0, steps - 1 - top))


def _between(start: float, stop: float, share: float) -> float:
    """Go from one value to another along half a cosine."""
    return stop + (start - stop) * (1 + math.cos(math.pi * share)) / 2

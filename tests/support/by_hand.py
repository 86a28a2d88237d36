"""Plain programs for what methods do, and episodes of digits to compare them on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import kshot_viz as kv
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.models.backbone import Backbone
from kshot_viz.threads import one_thread

# (backbone, support, query) -> predicted class indices of the queries.
Program = Callable[[Backbone, ImageDataset, ImageDataset], torch.Tensor]


@one_thread()
def accuracies(
    candidate: kv.Candidate, program: Program, *, shot: int = 1, n: int = 20, **options: Any
) -> tuple[float, float]:
    """Return the mean accuracy of a candidate and that of another program, in percent."""
    backbone, data = kv.load_backbone("glyphnet"), kv.load_dataset("digits")
    episodes = kv.sample_episodes(data, way=10, shot=shot, query=10, n=n, val_share=0, seed=0)
    rows = kv.evaluate(backbone, data, episodes, [candidate], **options)
    assert set(rows["status"]) == {"ok"}
    other = []
    for episode in episodes:
        support, query = episode.split(data)
        predicted = program(backbone, support, query).numpy()
        other.append(np.mean(predicted == query.targets))
    return 100 * float(rows["accuracy"].mean()), 100 * float(np.mean(other))


def trained_by_hand(
    backbone: Backbone,
    support: ImageDataset,
    query: ImageDataset,
    config: kv.FinetuneConfig,
    loss: Callable[..., torch.Tensor],
    sizes: Callable[[str, int], float] | None = None,
    share: Callable[[str, torch.Tensor], torch.Tensor] = lambda _, gradient: gradient,
) -> torch.Tensor:
    """Train a copy of a network with torch's own SGD; return predicted class indices.

    Parameters
    ----------
    loss : callable
        (module, inputs, targets, starts by name) -> scalar.
    sizes : callable, optional
        (parameter's name, step) -> its step size; 0 keeps it out of the step. By default the
        settings' own.
    share : callable
        (parameter's name, its gradient) -> the gradient that it is given.
    """
    network = backbone.with_new_head(int(support.targets.max()) + 1)
    module, head = network.module, network.head_parameters()
    usual = {True: config.head_lr, False: config.lr}
    sizes = sizes or (lambda name, _: usual[name in head])
    named = dict(module.named_parameters())
    starts = {name: one.detach().clone() for name, one in named.items()}
    optimizers = {
        name: torch.optim.SGD([one], lr=1.0, momentum=config.momentum)
        for name, one in named.items()
    }
    inputs, targets = backbone.prepare(support.images), torch.tensor(support.targets)
    for step in range(config.steps):
        module.zero_grad()
        loss(module, inputs, targets, starts).backward()
        for name, one in named.items():
            one.grad = None if one.grad is None else share(name, one.grad)
        for name, optimizer in optimizers.items():
            optimizer.param_groups[0]["lr"] = sizes(name, step)
            if sizes(name, step):
                optimizer.step()
    with torch.no_grad():
        return module(backbone.prepare(query.images)).argmax(dim=1)


def cross_entropy(module: torch.nn.Module, inputs: Any, targets: Any, _: Any) -> torch.Tensor:
    """Return the common loss, for :func:`trained_by_hand`."""
    return torch.nn.functional.cross_entropy(module(inputs), targets)


def minimised(
    x: torch.Tensor, y: torch.Tensor, penalty: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fit a logistic regression on standardised features by L-BFGS.

    Returns weight and bias for features as they are.
    """
    mean, std = x.mean(dim=0), x.std(dim=0, correction=0)
    std[std == 0] = 1.0
    weight, bias = regression((x - mean) / std, y, penalty)
    return weight / std, bias - weight / std @ mean


def regression(
    x: torch.Tensor, y: torch.Tensor, penalty: float, *, intercept: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """Minimise summed cross-entropy and L2 penalty; return weight and bias."""
    weight = torch.zeros(int(y.max()) + 1, x.shape[1], dtype=x.dtype, requires_grad=True)
    bias = torch.zeros(len(weight), dtype=x.dtype, requires_grad=intercept)
    trained = [weight, bias] if intercept else [weight]
    optimizer = torch.optim.LBFGS(trained, max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(x @ weight.T + bias, y, reduction="sum")
        loss = loss + penalty / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return weight.detach(), bias.detach()


def same_rows(rows: Any, first: str, second: str) -> bool:
    """Return whether two methods have the same losses and predictions, bit for bit."""
    columns = ["support_loss", "accuracy", "predicted"]
    one, other = (rows[rows["method"] == name].reset_index()[columns] for name in (first, second))
    return len(one) > 0 and bool(one.equals(other))

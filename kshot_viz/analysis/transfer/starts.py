"""The weights that fine-tuning starts from: a network made from another one.

Random weights that keep the mean and variance of each layer of a source, and a source kept up to a
layer with random weights above it, are those of Raghu, Zhang, Kleinberg and Bengio, "Transfusion"
(NeurIPS 2019, arXiv 1902.07208).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from kshot_viz.data.images import slice_images
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.fresh_weights import draw_anew
from kshot_viz.models.modes import BATCH_NORM, evaluating
from kshot_viz.seeds import torch_rng

# Images of which batch norms take their statistics: so many, in batches.
MOST_IMAGES, _BATCH = 256, 128
# With this beginning no target is said to look unlike what a network learned from.
RANDOM_NOTE = "none: random weights"
Draw = Callable[[nn.Module, torch.Generator], None]


def random_start(backbone: Backbone, *, seed: int = 0, images: Any = None) -> Backbone:
    """Return a copy with random weights everywhere.

    They are those of :func:`kshot_viz.models.fresh_weights.draw_anew`, whatever the network holds.

    Parameters
    ----------
    backbone : Backbone
        The architecture.
    seed : int
        Each module draws from its own, so its weights do not depend on which others are drawn.
    images : image batch, optional
        Unlabelled images that batch norms take their statistics from; else these are 0 and 1.
    """
    return hybrid_start(backbone, None, seed=seed, images=images)


def hybrid_start(
    backbone: Backbone, cut: str | None, *, seed: int = 0, images: Any = None
) -> Backbone:
    """Return a copy with its own weights up to a layer, and random ones above it.

    Parameters
    ----------
    backbone : Backbone
    cut : str or None
        The last layer that is kept; None keeps none.
    seed, images
        As in :func:`random_start`; statistics of batch norms below the cut stay as they are.

    Raises
    ------
    KShotKeyError
        For a layer that does not exist; lists those that do.
    """
    kept = -1 if cut is None else list(backbone.layers).index(backbone.layer(cut).name)
    drawn = [name for name, depth in _depths(backbone).items() if depth > kept]
    found = _drawn(backbone, drawn, _anew, seed, images)
    below = backbone.notes.get("weights", "weights of its own")
    if drawn:
        found.notes = {"weights": f"{below} up to {cut}, random above" if cut else RANDOM_NOTE}
    return found


def mean_variance_start(backbone: Backbone, *, seed: int = 0, images: Any = None) -> Backbone:
    """Return a copy with normal weights of the same mean and variance in each tensor.

    Parameters
    ----------
    backbone : Backbone
    seed, images
        As in :func:`random_start`.
    """
    found = _drawn(backbone, list(_depths(backbone)), _alike, seed, images)
    found.notes = {"weights": f"{RANDOM_NOTE} of the same mean and variance"}
    return found


def _depths(backbone: Backbone) -> dict[str, int]:
    """Return the number of the layer that each module with tensors of its own goes with.

    A batch norm goes with the layer that it is tied to; any other module with the layer that was
    registered before it, or with the first. The head is none of them.
    """
    numbers = {name: depth for depth, name in enumerate(backbone.layers)}
    numbers |= {
        info.norm: numbers[info.name] for info in backbone.layers.values() if info.norm is not None
    }
    found, depth = {}, 0
    head = backbone.head_name
    for name, module in backbone.module.named_modules():
        if name == head or name.startswith(f"{head}."):
            continue
        depth = numbers.get(name, depth)
        if any(True for _ in _tensors(module)):
            found[name] = depth
    return found


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters(recurse=False)
    yield from module.buffers(recurse=False)


def _drawn(
    backbone: Backbone, names: Collection[str], draw: Draw, seed: int, images: Any
) -> Backbone:
    """Return a copy of which some modules are drawn anew."""
    fresh = backbone.to(next(backbone.module.parameters()).device)
    with torch.no_grad():
        for name in names:
            draw(fresh.module.get_submodule(name), torch_rng(seed, "start", name))
    norms = [
        one
        for one in map(fresh.module.get_submodule, names)
        if isinstance(one, BATCH_NORM) and one.track_running_stats
    ]
    if norms and images is not None:
        _estimate(fresh, norms, images)
    return fresh


def _anew(module: nn.Module, rng: torch.Generator) -> None:
    # Modules draw from the global state, which is put back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.initial_seed())
        draw_anew(module)


def _alike(module: nn.Module, rng: torch.Generator) -> None:
    """Draw normal weights whose mean and deviation are exactly those of each tensor."""
    for parameter in module.parameters(recurse=False):
        values = torch.randn(parameter.shape, generator=rng, dtype=torch.float64)
        # A deviation of one value, or of equal ones, is zero.
        values = (values - values.mean()) / values.std(correction=0).clamp_min(1e-12)
        own = parameter.double().cpu()
        parameter.copy_(own.mean() + own.std(correction=0) * values)


def _estimate(backbone: Backbone, norms: Collection[nn.Module], images: Any) -> None:
    """Let batch norms take mean and variance from images, in one pass."""
    with torch.no_grad(), evaluating(backbone.module), _counting(norms):
        for start in range(0, min(len(images), MOST_IMAGES), _BATCH):
            part = slice_images(images, start, min(start + _BATCH, MOST_IMAGES))
            backbone.module(backbone.prepare(part))


@contextmanager
def _counting(norms: Collection[Any]) -> Iterator[None]:
    """Put batch norms in training mode, with the mean over batches as their statistics."""
    before = [one.momentum for one in norms]
    for one in norms:
        one.reset_running_stats()
        one.momentum = None
        one.training = True
    try:
        yield
    finally:
        for one, momentum in zip(norms, before, strict=True):
            one.momentum = momentum

"""Stores of one layer's activations while batches stream through the network.

``FeatureStore`` keeps every feature. ``InnerProductStore`` keeps only how alike the neurons are, in
memory that does not grow with the number of images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kshot_viz.activations.activations import LayerActivations
from kshot_viz.activations.pooling import FLOAT64_AT_ONCE, isometric, mean_and_std
from kshot_viz.errors import KShotValueError
from kshot_viz.threads import one_thread


class Store(Protocol):
    """Takes rows of shape (neurons, images, features) batch by batch, then returns the layer."""

    def add(self, rows: Tensor) -> None:
        """Take one batch."""

    def finish(self) -> LayerActivations:
        """Return the layer after the last batch."""


class FeatureStore:
    """Keeps all features in one float32 array laid out before the stream starts.

    The calls of a layer that runs several times follow one another for each batch; their features
    are kept side by side.
    """

    def __init__(self, width: int, n_images: int, per_image: int) -> None:
        self._features = torch.empty(width, n_images, per_image)
        self._image = self._feature = 0

    def add(self, rows: Tensor) -> None:
        """Copy one batch in: the network may overwrite its own output in place later."""
        images, features = slice(self._image, None), slice(self._feature, None)
        target = self._features[:, images, features]
        target[:, : rows.shape[1], : rows.shape[2]].copy_(rows)
        self._feature += rows.shape[2]
        if self._feature == self._features.shape[2]:
            self._image, self._feature = self._image + rows.shape[1], 0

    def finish(self) -> LayerActivations:
        """Return the features, shape (neurons, images * features)."""
        points = self._features.flatten(1).numpy()
        return LayerActivations(points, *mean_and_std(points), points.shape[1])


class InnerProductStore:
    """Keeps neuron-by-neuron inner products and sums in float64."""

    def __init__(self, width: int) -> None:
        self._products = torch.zeros(width, width, dtype=torch.float64)
        self._sums = torch.zeros(width, dtype=torch.float64)
        self._count = 0

    def add(self, rows: Tensor) -> None:
        """Add one batch, a few images at a time so that the float64 copy stays small."""
        images = max(1, FLOAT64_AT_ONCE // (rows.shape[0] * rows.shape[2]))
        for part in rows.split(images, dim=1):
            exact = part.flatten(1).float().to(device="cpu", dtype=torch.float64)
            self._products.addmm_(exact, exact.T)
            self._sums += exact.sum(dim=1)
            self._count += exact.shape[1]

    def finish(self) -> LayerActivations:
        """Return coordinates with the same inner products, shape (neurons, rank)."""
        products = self._products.numpy()
        mean = self._sums.numpy() / self._count
        variance = np.maximum(np.diag(products) / self._count - mean**2, 0.0)
        with one_thread():
            points = isometric(products)
        return LayerActivations(points, mean, np.sqrt(variance), self._count, "inner_products")


def plan_stores(
    shapes: dict[str, tuple[int, int]], n_images: int, max_memory: int | None
) -> dict[str, Store]:
    """Decide which layers keep features, from sizes alone.

    Parameters
    ----------
    shapes : dict
        Layer -> (neurons, features an image).
    n_images : int
        Images that will come.
    max_memory : int or None
        Bytes for all layers together. The largest layers give up their features first.
    """
    full = {name: 4 * width * per * n_images for name, (width, per) in shapes.items()}
    small = {name: 8 * width * (width + 1) for name, (width, _) in shapes.items()}
    compressed = _compressed(full, small, max_memory)
    return {
        name: InnerProductStore(width) if name in compressed else FeatureStore(width, n_images, per)
        for name, (width, per) in shapes.items()
    }


def _compressed(full: dict[str, int], small: dict[str, int], cap: int | None) -> set[str]:
    chosen: set[str] = set()
    total = sum(full.values())
    for name in sorted(full, key=lambda n: (small[n] - full[n], n)):
        if cap is None or total <= cap or small[name] >= full[name]:
            break
        chosen.add(name)
        total += small[name] - full[name]
    if cap is not None and total > cap:
        raise KShotValueError(
            f"`max_memory` must be at least {total:,} bytes for these {len(full)} layers, even "
            f"with inner products only; not {cap:,}. Capture fewer `layers`."
        )
    return chosen


def check_finite(name: str, rows: Tensor) -> None:
    """Raise a KShotValueError that names the layer if any activation is NaN or infinite."""
    # One sum is many times cheaper than a look at every number; it may overflow without a cause.
    if math.isfinite(rows.sum().item()) or bool(torch.isfinite(rows).all()):
        return
    bad: NDArray[np.int64] = np.flatnonzero((~torch.isfinite(rows)).flatten(1).any(1).cpu().numpy())
    shown = ", ".join(map(str, bad[:8]))
    raise KShotValueError(
        f"Layer {name!r} gave NaN or infinite activations in {bad.size} of {rows.shape[0]} neurons "
        f"({shown}{', ...' if bad.size > 8 else ''}). Check the weights and the image range."
    )


@dataclass(frozen=True)
class _Call:
    """Shape of the output of one call of a layer for a single image.

    ``pieces`` is the length of the first axis: more than 1 where the network cuts an image into
    windows that it treats as separate examples.
    """

    width: int
    pieces: int
    features: int


class Collector:
    """Fills one store per layer; no output waits in memory.

    The first image goes through the network alone. From it follows how often each layer is called
    and how many features it has for an image, so that memory is laid out, and kept under the cap,
    before the others.
    """

    def __init__(self, names: Sequence[str], n_images: int, max_memory: int | None) -> None:
        self._names, self._n_images, self._max_memory = names, n_images, max_memory
        self._first: dict[str, list[Tensor]] = {name: [] for name in names}
        self._plan: dict[str, list[_Call]] = {}
        self._stores: dict[str, Store] = {}
        self._batch = 0
        self._done: dict[str, int] = {}

    def run(self, module: nn.Module, images: Tensor) -> None:
        """Send a batch through the network, whose hooks call :meth:`take` meanwhile."""
        if not self._plan:
            self._run_first(module, images[:1])
            images = images[1:]
        if len(images):
            self._run(module, images)

    def take(self, name: str, rows: Tensor) -> None:
        """Store the output of one call of a layer: (neurons, images, features)."""
        check_finite(name, rows)
        if self._plan:
            call = self._expected(name, rows)
            self._done[name] += 1
            self._stores[name].add(_by_image(rows, call))
        else:
            # A copy, because an in-place ReLU may overwrite this output later.
            self._first[name].append(rows.clone())

    def finish(self) -> dict[str, LayerActivations]:
        """Return all layers; each store is freed as soon as its layer is made."""
        return {name: self._stores.pop(name).finish() for name in self._names}

    def _run_first(self, module: nn.Module, image: Tensor) -> None:
        # A copy, since the network may write to its input, which may be the caller's own images.
        module(image.clone())
        self._plan = {
            name: [_Call(*rows.shape) for rows in self._first[name]] for name in self._names
        }
        sizes = {name: _size(name, calls) for name, calls in self._plan.items()}
        self._stores = plan_stores(sizes, self._n_images, self._max_memory)
        for name, calls in self._plan.items():
            for call, rows in zip(calls, self._first.pop(name), strict=True):
                self._stores[name].add(_by_image(rows, call))

    def _run(self, module: nn.Module, images: Tensor) -> None:
        self._batch, self._done = len(images), dict.fromkeys(self._names, 0)
        module(images.clone())
        for name, calls in self._plan.items():
            if self._done[name] < len(calls):
                raise _changed(name, f"ran {self._done[name]} times instead of {len(calls)}")

    def _expected(self, name: str, rows: Tensor) -> _Call:
        calls, done = self._plan[name], self._done[name]
        if done == len(calls):
            raise _changed(name, f"ran more than {len(calls)} times")
        call = calls[done]
        if tuple(rows.shape) != (call.width, call.pieces * self._batch, call.features):
            raise _changed(
                name,
                f"gave {rows.shape[1]} x {rows.shape[2]} numbers a neuron for {self._batch} images "
                f"instead of {self._batch} x {call.pieces} x {call.features}",
            )
        return call


def _by_image(rows: Tensor, call: _Call) -> Tensor:
    """Put the windows of an image side by side."""
    return rows if call.pieces == 1 else rows.unflatten(1, (-1, call.pieces)).flatten(2)


def _size(name: str, calls: list[_Call]) -> tuple[int, int]:
    if not calls:
        raise KShotValueError(f"Layer {name!r} did not run for these images; leave it out.")
    return calls[0].width, sum(call.pieces * call.features for call in calls)


def _changed(name: str, what: str) -> KShotValueError:
    return KShotValueError(
        f"Layer {name!r} {what}, as for the first image. Every image must give the same number of "
        f"features, and the first axis of the output must count images: bring all images to one "
        f"size, or leave this layer out of `layers`."
    )

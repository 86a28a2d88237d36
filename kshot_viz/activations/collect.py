"""Collect the outputs of layers in their stores while batches stream through the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from kshot_viz.activations.activations import LayerActivations
from kshot_viz.activations.store import Store, check_finite, plan_stores
from kshot_viz.errors import KShotValueError


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

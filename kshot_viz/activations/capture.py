"""Run images through a network and keep how every neuron answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kshot_viz.activations.cache import ActivationCache
from kshot_viz.activations.container import Activations, LayerActivations
from kshot_viz.activations.hooks import watching
from kshot_viz.activations.pooling import POOLS, joined, neuron_rows
from kshot_viz.activations.store import Store, check_finite, plan_stores
from kshot_viz.data.images import image_count, slice_images
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.models.recorder import evaluating

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


def capture_activations(
    backbone: Backbone,
    images: Any,
    *,
    layers: Sequence[str] | None = None,
    pool: str = "grid",
    grid: int = 4,
    batch_size: int = 64,
    max_memory: int | None = None,
    dtype: torch.dtype | None = None,
    device: str | torch.device | None = None,
    cache: str | Path | None = None,
    progress: bool = False,
) -> Activations:
    """Record the outputs of layers for a set of images.

    The network runs in eval mode without gradients, batch by batch; hooks and modes are restored
    whatever happens. What is recorded is the layer's own output, before batch norm and ReLU.

    Parameters
    ----------
    backbone : Backbone
        The network.
    images : image batch
        Float NCHW in [0, 1], uint8 NHWC, PIL images or an ``ImageDataset``; the backbone's
        preprocessing is applied here.
    layers : sequence of str, optional
        Names from ``backbone.layers``; all of them by default.
    pool : {"grid", "mean", "max", "none"}
        What becomes of the positions of a feature map. ``"grid"`` averages them on an adaptive
        ``grid`` x ``grid``; tokens of a transformer are averaged.
    grid : int
        Side of that grid.
    batch_size : int
        Images a forward pass.
    max_memory : int, optional
        Bytes that the captured layers may take together. Features are kept in float32 while they
        fit; above that the largest layers keep neuron-by-neuron inner products instead (float64),
        from which points with the same distances are rebuilt, so every clustering works unchanged.
    dtype : torch.dtype, optional
        Precision of the forward pass; the network's own by default.
    device : str or torch.device, optional
        Where to run; the network's own by default.
    cache : path, optional
        Folder that keeps each layer by network, images and settings, and serves it again.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Activations
        Layer -> (neurons, features).

    Raises
    ------
    KShotKeyError
        For a layer that cannot be grouped or does not exist.
    KShotValueError
        For NaN or infinite activations, or a cap too small even for inner products.
    """
    if pool not in POOLS:
        raise unknown_name("pool", pool, POOLS)
    if grid < 1 or batch_size < 1:
        raise KShotValueError(f"`grid` and `batch_size` must be >= 1; not {grid}, {batch_size}.")
    names = _names(backbone, layers)
    batches = _Batches(backbone, images, batch_size, dtype, device, progress)
    settings = {"pool": pool, "grid": grid, "max_memory": max_memory, "dtype": str(dtype)}
    kept = ActivationCache(cache, backbone, batches, settings) if cache is not None else None
    found = kept.read(names) if kept else {}
    missing = [name for name in names if name not in found]
    if missing:
        fresh = _stream(batches, missing, pool, grid, max_memory)
        if kept:
            kept.write(fresh)
        found |= fresh
    ordered = {name: found[name] for name in names}
    return Activations(ordered, pool, batches.n_images, backbone.name)


class _Batches:
    """Prepared batches of one image set on one device, as often as they are asked for."""

    def __init__(
        self,
        backbone: Backbone,
        images: Any,
        batch_size: int,
        dtype: torch.dtype | None,
        device: str | torch.device | None,
        progress: bool,
    ) -> None:
        self.backbone = _moved(backbone, dtype, device)
        self._images, self._batch_size, self._progress = images, batch_size, progress
        self.n_images = image_count(images)

    def __iter__(self) -> Iterator[Tensor]:
        from tqdm.auto import tqdm

        starts = range(0, self.n_images, self._batch_size)
        for start in tqdm(starts, desc="capture", unit="batch", disable=not self._progress):
            part = slice_images(self._images, start, start + self._batch_size)
            yield self.backbone.prepare(part)


def _moved(
    backbone: Backbone, dtype: torch.dtype | None, device: str | torch.device | None
) -> Backbone:
    moved = backbone if device is None else backbone.to(device)
    return moved if dtype is None else moved.to(dtype)


def _names(backbone: Backbone, layers: Sequence[str] | None) -> list[str]:
    if layers is None:
        return list(backbone.layers)
    if isinstance(layers, str):
        raise KShotValueError(f"`layers` must be a list of names; wrap it: [{layers!r}].")
    return [backbone.layer(name).name for name in layers]


def _stream(
    batches: _Batches, names: list[str], pool: str, grid: int, max_memory: int | None
) -> dict[str, LayerActivations]:
    backbone = batches.backbone
    kinds = {name: backbone.layer(name).kind for name in names}
    modules = {name: backbone.module.get_submodule(name) for name in names}
    gather = _Gather({name: [] for name in names})

    def receive(name: str, output: Tensor) -> None:
        # A copy, because an in-place ReLU may overwrite this output a moment later.
        gather(name, neuron_rows(output, kinds[name], pool, grid).clone())

    # Preparing a batch may try the network on it, so the hooks are on only while it runs here.
    with torch.inference_mode(), evaluating(backbone.module):
        for batch in batches:
            with watching(modules, receive):
                if not gather.planned:
                    backbone.module(batch[:1])
                    gather.plan(batches.n_images, max_memory)
                backbone.module(batch)
    return gather.finish()


@dataclass
class _Gather:
    """Hands every output to its layer's store at once, so that only one is in memory.

    A first pass with one image tells the sizes and how often each layer is called; the outputs of
    a layer that is called several times wait until the last one is there.
    """

    waiting: dict[str, list[Tensor]]
    calls: dict[str, int] = field(default_factory=dict)
    stores: dict[str, Store] = field(default_factory=dict)

    @property
    def planned(self) -> bool:
        return bool(self.stores)

    def __call__(self, name: str, rows: Tensor) -> None:
        self.waiting[name].append(rows)
        if len(self.waiting[name]) == self.calls.get(name):
            whole = joined(self.waiting[name])
            self.waiting[name].clear()
            check_finite(name, whole)
            self.stores[name].add(whole)

    def plan(self, n_images: int, max_memory: int | None) -> None:
        self.calls = {name: len(rows) for name, rows in self.waiting.items()}
        whole = {name: joined(rows) for name, rows in self.waiting.items()}
        shapes = {name: (rows.shape[0], rows.shape[2]) for name, rows in whole.items()}
        self.stores = plan_stores(shapes, n_images, max_memory)
        for rows in self.waiting.values():
            rows.clear()

    def finish(self) -> dict[str, LayerActivations]:
        return {name: store.finish() for name, store in self.stores.items()}

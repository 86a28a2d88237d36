"""Run images through a network and record the activations of every neuron."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kshot_viz.activations.activations import Activations, LayerActivations
from kshot_viz.activations.cache import ActivationCache
from kshot_viz.activations.pooling import POOLS, neuron_rows
from kshot_viz.activations.store import Collector
from kshot_viz.checks import checked, flag, names, optional, text, whole
from kshot_viz.data.images import filled_count, image_count, slice_images
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.models.modes import check_device, evaluating, watching
from kshot_viz.threads import one_thread


@checked(
    backbone=BACKBONE,
    layers=optional(names),
    pool=text,
    grid=whole(1),
    batch_size=whole(1),
    max_memory=optional(whole(1)),
    progress=flag,
)
@one_thread()
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
        For an empty batch, NaN or infinite activations, or a cap too small even for inner products.
    KShotFileError
        When ``cache`` cannot be written.
    """
    _check(pool, dtype)
    names = _names(backbone, layers)
    batches = _Batches(backbone, images, batch_size, dtype, device, progress)
    settings = {"pool": pool, "grid": grid, "max_memory": max_memory, "dtype": str(dtype)}
    if max_memory is not None:
        # Under a cap the form of a layer depends on which others are captured with it.
        settings["together"] = names
    kept = (
        ActivationCache(cache, backbone, batches("read"), settings) if cache is not None else None
    )
    found = kept.read(names) if kept else {}
    missing = [name for name in names if name not in found]
    if missing:
        fresh = _stream(batches, names if max_memory else missing, pool, grid, max_memory)
        if kept:
            kept.write(fresh)
        found |= fresh
    ordered = {name: found[name] for name in names}
    return Activations(ordered, pool, batches.n_images, backbone.name)


@one_thread()
def capture_prepared(
    backbone: Backbone, inputs: Tensor, layers: Sequence[str], *, pool: str = "grid", grid: int = 4
) -> Activations:
    """Record the outputs of layers for inputs that were prepared already, such as a support's.

    Parameters
    ----------
    backbone : Backbone
    inputs : Tensor, shape (N, ...)
        On the network's device.
    layers : sequence of str
    pool, grid
        As in :func:`capture_activations`.
    """
    found = _stream(_Prepared(backbone, inputs), list(layers), pool, grid, None)
    return Activations(found, pool, len(inputs), backbone.name)


class _Prepared:
    """Batches of prepared inputs."""

    def __init__(self, backbone: Backbone, inputs: Tensor) -> None:
        self.backbone, self._inputs = backbone, inputs
        self.n_images = len(inputs)

    def __call__(self, what: str) -> Iterator[Tensor]:
        yield from self._inputs.split(64)


class _Batches:
    """Prepared batches of one image set on one device, as often as needed."""

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
        self.n_images = filled_count(images)

    def __call__(self, what: str) -> Iterator[Tensor]:
        starts: Iterable[int] = range(0, self.n_images, self._batch_size)
        if self._progress:
            # Only here: even a silent bar makes a lock between processes, and a worker that an
            # interrupt kills would leave it behind.
            from tqdm.auto import tqdm

            starts = tqdm(starts, desc=what, unit="batch")
        for start in starts:
            part = slice_images(self._images, start, start + self._batch_size)
            yield self.backbone.prepare(part)


def _check(pool: str, dtype: torch.dtype | None) -> None:
    if pool not in POOLS:
        raise unknown_name("pool", pool, POOLS)
    known = dtype is None or (isinstance(dtype, torch.dtype) and dtype.is_floating_point)
    if not known:
        raise KShotValueError(f"`dtype` must be a floating point torch.dtype; not {dtype!r}.")


def _moved(
    backbone: Backbone, dtype: torch.dtype | None, device: str | torch.device | None
) -> Backbone:
    check_device(device)
    moved = backbone if device is None else backbone.to(device)
    return moved if dtype is None else moved.to(dtype)


def _names(backbone: Backbone, layers: Sequence[str] | None) -> list[str]:
    if layers is None:
        return list(backbone.layers)
    if isinstance(layers, str):
        raise KShotValueError(f"`layers` must be a list of names; wrap it: [{layers!r}].")
    return list(dict.fromkeys(backbone.layer(name).name for name in layers))


def _stream(
    batches: _Batches | _Prepared, names: list[str], pool: str, grid: int, max_memory: int | None
) -> dict[str, LayerActivations]:
    network = batches.backbone.module
    modules = {name: network.get_submodule(name) for name in names}
    collector = Collector(names, batches.n_images, max_memory)

    def receive(name: str, output: Tensor) -> None:
        neurons_last = isinstance(modules[name], nn.Linear)
        collector.take(name, neuron_rows(output, pool, grid, neurons_last=neurons_last))

    # Not inference mode: what a network keeps of a pass could then never be trained through.
    with torch.no_grad(), evaluating(network):
        for batch in batches("capture"):
            # Only now: preparing images of a new size runs the network once to try them.
            with watching(modules, receive):
                collector.run(network, batch)
    return collector.finish()


def image_responses(backbone: Backbone, images: Any, layer: str) -> NDArray[np.float64]:
    """Return the mean output of each neuron for each image.

    Parameters
    ----------
    backbone : Backbone
    images : image batch
    layer : str

    Returns
    -------
    ndarray, shape (neurons, images)
        Means over the positions of the feature map.
    """
    layers = capture_activations(backbone, images, layers=[layer], pool="mean")
    rows = np.asarray(layers[layer], dtype=np.float64)
    return rows.reshape(len(rows), image_count(images), -1).mean(axis=2)


def standardised_responses(responses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return responses in each neuron's own standard deviations from its mean; dead ones are 0.

    Parameters
    ----------
    responses : ndarray, shape (neurons, images)
    """
    centred = responses - responses.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)

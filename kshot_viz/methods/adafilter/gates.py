"""Which filters the images of each class get: the gates of a tuned network as a table."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from kshot_viz.data.arrays import label_row, labels_of
from kshot_viz.data.images import filled_count, slice_images
from kshot_viz.errors import KShotValueError
from kshot_viz.methods.adafilter.policy import Gates
from kshot_viz.methods.adafilter.twins import gates_of

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("layer", "class", "images", "channels", "rate", "within", "between")


def gate_frame(result: Any, images: Any, labels: ArrayLike | None = None) -> pd.DataFrame:
    """Return how the gates of each class are set, one row for every layer and class.

    Parameters
    ----------
    result : FinetuneResult
        Of the method ``"adafilter"``.
    images : array, tensor, list of PIL images or paths or ImageDataset
    labels : array_like, shape (images,), optional
        The class of each image; a data set has its own.

    Returns
    -------
    DataFrame
        ``layer``, ``class``, ``images`` of that class, ``channels``; ``rate``, the share of
        channels that come from trained filters; ``within`` and ``between``, the share of channels
        whose gates agree for two images of the class, and for one of it and one of another (NaN
        where there is no such pair).

    Raises
    ------
    KShotValueError
        If the network has no gates, without labels, or where there is not one an image.
    """
    import pandas as pd

    gates = gates_of(result.backbone)
    if gates is None:
        raise KShotValueError(
            f"The network of `result` has no gates: it was tuned by method={result.method!r}, not "
            f"by 'adafilter'."
        )
    names, count = label_row(labels_of(images, labels)), filled_count(images)
    if len(names) != count:
        raise KShotValueError(f"`labels` must be one for each of the {count} images.")
    chosen = gates_by_layer(result, gates, images)
    rows = [row for layer in chosen for row in _rows(layer, chosen[layer], names)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def gates_by_layer(
    result: Any, gates: Gates, images: Any, *, batch_size: int = 64
) -> dict[str, NDArray[np.bool_]]:
    """Return the gates of each layer, shape (images, channels).

    A convolution that is called several times in a pass has as many times its channels.
    """
    parts: dict[int, list[torch.Tensor]] = defaultdict(list)
    for start in range(0, filled_count(images), batch_size):
        with gates.recorded() as seen:
            result.logits(slice_images(images, start, start + batch_size), batch_size=batch_size)
        for layer in sorted({one.layer for one in seen}):
            calls = [one.gates for one in seen if one.layer == layer]
            parts[layer].append(torch.cat(calls, dim=1).bool().cpu())
    return {gates.layers[one]: torch.cat(found).numpy() for one, found in parts.items()}


def _rows(layer: str, chosen: NDArray[np.bool_], names: NDArray[Any]) -> list[tuple[Any, ...]]:
    channels = chosen.shape[1]
    signs = np.where(chosen, 1, -1)
    everyone, rows = signs.sum(axis=0), []
    for label in np.unique(names):
        own = names == label
        n, others, total = int(own.sum()), int((~own).sum()), signs[own].sum(axis=0)
        # Of all pairs at once: the sum of products is the product of sums, less each with itself.
        within = _agreement(int(total @ total) - n * channels, n * (n - 1) * channels)
        between = _agreement(int(total @ (everyone - total)), n * others * channels)
        rows.append((layer, label, n, channels, float(chosen[own].mean()), within, between))
    return rows


def _agreement(products: int, count: int) -> float:
    return (1 + products / count) / 2 if count else float("nan")

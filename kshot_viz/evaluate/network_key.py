"""What the keys of rows hold of their network: weights, versions, and its output for an image.

Rows of one machine are served on another, where sums differ in their last bits. So what a network
makes of an image is told by a few numbers of three decimals, and not by its bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kshot_viz import __version__
from kshot_viz.data.pixels import digest
from kshot_viz.models.backbone import row_by_row
from kshot_viz.models.inputs.preprocess import Preprocess
from kshot_viz.models.modes import evaluating
from kshot_viz.seeds import numpy_rng
from kshot_viz.threads import one_thread

if TYPE_CHECKING:
    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.models.backbone import Backbone

_SUMS = 8
_DECIMALS = 3


def network_key(backbone: Backbone) -> list[str]:
    """Name the weights and modules of a network, and the versions of the arithmetic.

    Rows of another version are not served again; builds of one version of torch are alike.
    """
    network = [backbone.fingerprint, str(backbone.module), backbone.head_name]
    return [*network, __version__, torch.__version__.partition("+")[0]]


def behaviour_key(backbone: Backbone, image: ImageDataset) -> list[Any]:
    """Name what no list of weights tells by what it makes of an image: functions and code."""
    with one_thread(), torch.inference_mode(), evaluating(backbone.module):
        prepared = backbone.prepare(image)
        output = backbone.module(row_by_row(prepared).clone())
    known = backbone.preprocess is None or isinstance(backbone.preprocess, Preprocess)
    look = repr(backbone.preprocess) if known else coarse_digest(_array(prepared))
    made = coarse_digest(_array(output)) if isinstance(output, Tensor) else type(output).__name__
    return [look, made]


def coarse_digest(values: np.ndarray) -> str:
    """Return a digest of values that the rounding of another machine hardly ever changes.

    It is of the shape, the size of the values and sums of them with random signs, as shares of that
    size, to three decimals. A change of one part in 10 million moves one of them across a border in
    about one case of a thousand; one of three in a hundred hardly ever goes unnoticed.

    Parameters
    ----------
    values : ndarray
        Values that are no finite numbers, and zeros alone, are told by their bits.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    size = float(np.sqrt(np.mean(flat**2))) if flat.size else 0.0
    if not np.isfinite(size) or size == 0:
        return digest(values)
    signs = numpy_rng(0, "signs", flat.size).choice([-1.0, 1.0], (_SUMS, flat.size))
    shares = signs @ (flat / size) / np.sqrt(flat.size)
    # Without the negative zero.
    rounded = np.round(np.append(shares, np.log(size)), _DECIMALS) + 0.0
    return digest(np.append(np.array(values.shape, dtype=np.float64), rounded))


def _array(values: Tensor) -> np.ndarray:
    # numpy has no bfloat16.
    exact = values.float() if values.dtype is torch.bfloat16 else values
    return exact.cpu().numpy()

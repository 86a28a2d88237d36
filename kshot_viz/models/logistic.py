"""A logistic regression on the features of a handful of images, for a network without a head.

It stands in where gradients or a loss are asked of a network that knows none of the classes, so it
fits the images that it is given. What classifies new images is
:class:`kshot_viz.methods.rivals.logistic.Logistic`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kshot_viz.models.head import Head
from kshot_viz.models.head_init import fill_head, head_features
from kshot_viz.models.inputs.support import Support

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

# Far more than a handful of images needs.
ITERATIONS = 10_000
# A feature that varies by less, relative to its size, is constant up to rounding.
ROUNDING = 1e-5
# No image is left to choose it by.
PENALTY = 1.0


def fit_logistic(
    features: Tensor, targets: Tensor, *, penalty: float = PENALTY
) -> tuple[Tensor, Tensor]:
    """Fit a logistic regression on standardised features.

    It minimises the summed cross-entropy plus ``penalty / 2`` times the squared weights of the
    standardised features. Standardisation is folded into what is returned.

    Parameters
    ----------
    features : Tensor, shape (N, features)
        Finite.
    targets : Tensor of int64, shape (N,)
        Classes 0 to way - 1, each with an image.
    penalty : float
        Strength of the L2 penalty.

    Returns
    -------
    Tensor, Tensor
        Weight (way, features) and bias (way,), of the type and on the device of ``features``.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    x, y = _varying(features), targets.cpu().numpy()
    scaler = StandardScaler()
    model = LogisticRegression(C=inverse_penalty(penalty, int(y.max()) + 1), max_iter=ITERATIONS)
    model.fit(scaler.fit_transform(x), y)
    weight = class_rows(model.coef_) / scaler.scale_
    bias = class_rows(model.intercept_) - weight @ scaler.mean_
    return torch.from_numpy(weight).to(features), torch.from_numpy(bias).to(features)


def inverse_penalty(penalty: float, way: int) -> float:
    """Return scikit-learn's ``C``: its one row for two classes stands for two of half its size."""
    return (2.0 if way == 2 else 1.0) / penalty


def class_rows(fitted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a row, or number, for each class, where scikit-learn gives one for two classes."""
    return np.concatenate([-fitted, fitted]) / 2 if len(fitted) == 1 else fitted


@contextmanager
def logistic_head(network: Backbone, support: Support) -> Iterator[None]:
    """Put a logistic regression on a support into the head for the length of the block.

    Features that are not finite leave the head as it is: the loss is not finite either then.
    """
    linear = cast(Head, network.module.get_submodule(network.head_name)).linear
    weight, bias = linear.weight.detach().clone(), linear.bias.detach().clone()
    features = head_features(network, support.inputs)
    if bool(torch.isfinite(features).all()):
        fill_head(network, *fit_logistic(features, support.targets))
    try:
        yield
    finally:
        fill_head(network, weight, bias)


def _varying(features: Tensor) -> NDArray[np.float64]:
    """Return features as float64, with 0 for those that rounding alone would tell images by."""
    found = features.double().cpu().numpy()
    constant = np.ptp(found, axis=0) <= ROUNDING * np.abs(found).max(axis=0)
    return np.where(constant, 0.0, found)

"""Logistic regression on the features of a handful of images, as weight and bias of a head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from kshot_viz.models.head import Head
from kshot_viz.models.head_init import fill_head, head_features
from kshot_viz.models.inputs.support import Support

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

# Folds to choose the penalty on, at most; and iterations, far more than a handful of images needs.
FOLDS, ITERATIONS = 5, 10_000
# A feature that varies by less, relative to its size, is constant up to rounding.
ROUNDING = 1e-5


def fit_logistic(
    features: Tensor, targets: Tensor, *, penalty: float, penalties: Sequence[float] = ()
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
        Used where a class has one image, and where ``penalties`` is empty.
    penalties : sequence of float
        Else the one with the best log-likelihood of images that are held out is used: in each of
        up to five folds some images of every class; of the best, the largest.

    Returns
    -------
    Tensor, Tensor
        Weight (way, features) and bias (way,), of the type and on the device of ``features``.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = _varying(features), targets.cpu().numpy()
    # Two classes are given one row, which stands for two of half its size.
    scale = 2.0 if y.max() == 1 else 1.0
    regression = LogisticRegression(C=scale / penalty, max_iter=ITERATIONS)
    model = make_pipeline(StandardScaler(), regression)
    folds = min(FOLDS, int(np.bincount(y).min()))
    if folds > 1 and penalties:
        # Of settings that are equally good, the first is chosen: the largest penalty.
        strengths = [scale / one for one in sorted(penalties, reverse=True)]
        split = StratifiedKFold(folds)
        grid = {"logisticregression__C": strengths}
        model = GridSearchCV(model, grid, scoring="neg_log_loss", cv=split).fit(x, y)
        model = model.best_estimator_
    scaler, fitted = model.fit(x, y)[0], model[-1]
    weight, bias = fitted.coef_, fitted.intercept_
    if len(bias) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / scaler.scale_
    bias = bias - weight @ scaler.mean_
    return torch.from_numpy(weight).to(features), torch.from_numpy(bias).to(features)


def fill_logistic(
    network: Backbone, support: Support, *, penalty: float, penalties: Sequence[float] = ()
) -> None:
    """Make the new head of a network a logistic regression on a support; see :func:`fit_logistic`.

    Features that are not finite leave the head as it is: the loss is not finite either then.
    """
    features = head_features(network, support.inputs)
    if bool(torch.isfinite(features).all()):
        fitted = fit_logistic(features, support.targets, penalty=penalty, penalties=penalties)
        fill_head(network, *fitted)


@contextmanager
def logistic_head(network: Backbone, support: Support) -> Iterator[None]:
    """Put a logistic regression on a support into the head for the length of the block."""
    linear = cast(Head, network.module.get_submodule(network.head_name)).linear
    weight, bias = linear.weight.detach().clone(), linear.bias.detach().clone()
    fill_logistic(network, support, penalty=1.0)
    try:
        yield
    finally:
        fill_head(network, weight, bias)


def _varying(features: Tensor) -> np.ndarray:
    """Return features as float64, with 0 for those that rounding alone would tell images by."""
    found = features.double().cpu().numpy()
    constant = np.ptp(found, axis=0) <= ROUNDING * np.abs(found).max(axis=0)
    return np.where(constant, 0.0, found)

"""Logistic regression on frozen features of length one (Tian et al., ECCV 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from kshot_viz.checks import check, number
from kshot_viz.errors import KShotValueError
from kshot_viz.methods.base import Method
from kshot_viz.methods.hooks import Setup
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.slots import Slot
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.head_init import fill_head, head_features
from kshot_viz.models.logistic import ITERATIONS, class_rows, inverse_penalty

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

# Folds to choose the penalty on, at most.
FOLDS = 5


@register_method
@dataclass(frozen=True)
class Logistic(Method):
    """The head is a logistic regression on the directions of features; the body stays as it is.

    Features are divided by their length, as in the source. The regression has no intercept, so that
    it is a linear head of features as they are: which class is the most likely does not depend on
    the length. Standardised features would be worse: the deviation of a feature on ten images is
    mostly noise.

    Attributes
    ----------
    penalty : float
        Strength of the L2 penalty where a class has one image, so that none can be held out. It is
        half of it times the squared weights, beside the summed cross-entropy.
    penalties : tuple of float
        Strengths to choose from where every class has two images or more, by the log-likelihood of
        held-out images of the support (up to five folds). Empty: ``penalty`` is used.
    """

    name = "logistic"
    label = "logistic"
    tuned = ()
    takes_steps = False
    own_head = True
    penalty: float = 0.1
    penalties: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.penalties, tuple):
            raise KShotValueError(f"`penalties` must be a tuple; not {self.penalties!r}.")
        for one in (self.penalty, *self.penalties):
            check("penalty", one, number(0, above=True))

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Fit the head on the support.

        Features that are not finite leave the head as it is: the loss is not finite either then.
        """
        features = head_features(network, setup.support.inputs)
        if bool(torch.isfinite(features).all()):
            weight = fit_directions(
                features, setup.support.targets, penalty=self.penalty, penalties=self.penalties
            )
            fill_head(network, weight, torch.zeros_like(weight[:, 0]))
        return []


def fit_directions(
    features: Tensor, targets: Tensor, *, penalty: float, penalties: Sequence[float] = ()
) -> Tensor:
    """Fit a logistic regression without intercept on features of length one.

    It minimises the summed cross-entropy plus ``penalty / 2`` times the squared weights. The weight
    that is returned gives the same logits for features as they are, of the mean length; longer ones
    have larger logits of the same order.

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
    Tensor
        Weight (way, features), of the type and on the device of ``features``.
    """
    from sklearn.linear_model import LogisticRegression

    # Squares of half precision would overflow.
    long, y = features.double(), targets.cpu().numpy()
    x, way = F.normalize(long, dim=1).cpu().numpy(), int(y.max()) + 1
    model = LogisticRegression(
        C=inverse_penalty(penalty, way), max_iter=ITERATIONS, fit_intercept=False
    )
    strengths = [inverse_penalty(one, way) for one in sorted(penalties, reverse=True)]
    fitted = _with_best_penalty(model, x, y, strengths)
    weight = torch.from_numpy(class_rows(fitted.coef_)).to(features.device)
    return (weight / long.norm(dim=1).mean().clamp_min(1e-12)).to(features)


def _with_best_penalty(
    model: LogisticRegression, x: np.ndarray, y: np.ndarray, strengths: Sequence[float]
) -> LogisticRegression:
    """Fit, with the strength of held-out images where there are any; the first of equal ones."""
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    folds = min(FOLDS, int(np.bincount(y).min()))
    if folds < 2 or not strengths:
        return model.fit(x, y)
    search = GridSearchCV(
        model, {"C": strengths}, scoring="neg_log_loss", cv=StratifiedKFold(folds)
    )
    return search.fit(x, y).best_estimator_

"""K-shot fine-tuning as a scikit-learn classifier."""

from __future__ import annotations

import inspect
import warnings
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.loop import finetune
from kshot_viz.finetune.result import FinetuneResult
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import resolve_method
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.loading.load_backbone import load_backbone
from kshot_viz.study.recommendation.recommend import recommend
from kshot_viz.study.recommendation.recommendation import Recommendation

if TYPE_CHECKING:
    from collections.abc import Mapping

# The value of `method` that stands for what is recommended.
RECOMMENDED = "recommended"


class KShotClassifier(ClassifierMixin, BaseEstimator):
    """Fine-tune a pretrained network on a handful of labelled images.

    Parameters
    ----------
    backbone : Backbone or str
        The network, or a name for :func:`kshot_viz.load_backbone`.
    method : str or Method
        A name of :func:`kshot_viz.list_methods`, or a method object. ``"recommended"``, the
        default, takes what :func:`kshot_viz.recommend` says of the images given to ``fit``,
        settings and groups included; the parameters below are for any other.
    n_groups : float, int or mapping
        As in :func:`kshot_viz.cluster_neurons`.
    groups_from : {"support", "weights", "gradients"}
        What forms the groups.
    cluster : str
        Clustering method.
    grouping : Grouping, optional
        A ready-made grouping instead.
    optimizer, lr, head_lr, steps, momentum, weight_decay
        As in :class:`kshot_viz.FinetuneConfig`.
    random_state : int
        Seed of the clustering, of the folds that are left out, of dropout and of mini-batches.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
        Only for rows of numbers, not for images.
    result_ : FinetuneResult
        The tuned network and its history.
    grouping_ : Grouping or None
    recommendation_ : Recommendation or None
        With its reasons and the accuracy to expect; None unless ``method="recommended"``.

    Notes
    -----
    ``X`` is any image batch (uint8 NHWC arrays, float NCHW tensors, a list of PIL images or
    of paths of image files) or, for networks that take vectors, an array of shape (n_samples,
    n_features).
    """

    def __init__(
        self,
        backbone: Backbone | str = "glyphnet",
        *,
        method: str | Method = RECOMMENDED,
        n_groups: float | int | Mapping[str, float | int] = 0.1,
        groups_from: str = "support",
        cluster: str = "kmeans",
        grouping: Grouping | None = None,
        optimizer: str = "sgd",
        lr: float = 3e-3,
        head_lr: float = 0.1,
        steps: int = 40,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        random_state: int = 0,
    ) -> None:
        self.backbone = backbone
        self.method = method
        self.n_groups = n_groups
        self.groups_from = groups_from
        self.cluster = cluster
        self.grouping = grouping
        self.optimizer = optimizer
        self.lr = lr
        self.head_lr = head_lr
        self.steps = steps
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Tune on images ``X`` with labels ``y``, shape (n_samples,)."""
        images, labels = self._checked(X, y)
        network = load_backbone(self.backbone) if isinstance(self.backbone, str) else self.backbone
        self.classes_ = np.unique(labels)
        self.recommendation_: Recommendation | None = None
        if isinstance(self.method, str) and self.method == RECOMMENDED:
            self._refuse_settings()
            self.recommendation_ = recommend(network, (images, labels), seed=self.random_state or 0)
            self.result_ = self.recommendation_.finetune(network, (images, labels))
        else:
            self.result_ = self._tuned(network, images, labels)
        self.grouping_ = self.result_.grouping
        if self.result_.diverged:
            warnings.warn(
                f"Fine-tuning {self.result_.status}; every class is as likely as any other. A "
                f"smaller `lr` may help.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each image, shape (n_samples,)."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (n_samples, n_classes)."""
        check_is_fitted(self)
        shares = self.result_.predict_proba(self._images(X, reset=False))
        return np.nan_to_num(shares, nan=1.0 / len(self.classes_))

    def _refuse_settings(self) -> None:
        """Raise a KShotValueError where a parameter was given that would not be used."""
        known = inspect.signature(type(self)).parameters
        given = self.get_params(deep=False)
        for name in sorted(given.keys() - {"backbone", "method", "random_state"}):
            if given[name] is not known[name].default and given[name] != known[name].default:
                raise KShotValueError(
                    f"`{name}` is not used by method='recommended', which chooses all settings; "
                    f"name a method, such as method='grouped'."
                )

    def _tuned(self, network: Backbone, images: Any, labels: NDArray[Any]) -> FinetuneResult:
        method = resolve_method(self.method, "method", RECOMMENDED)
        # Where nothing is shared, a grouping that was given is refused rather than left unused.
        grouping = (
            self._grouping(network, method, images, labels) if method.shares else self.grouping
        )
        return finetune(
            network,
            (images, labels),
            method=method,
            grouping=grouping,
            config=self._config(),
            seed=self.random_state or 0,
        )

    def _config(self) -> FinetuneConfig:
        return FinetuneConfig(
            optimizer=self.optimizer,
            lr=self.lr,
            head_lr=self.head_lr,
            steps=self.steps,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )

    def _grouping(self, network: Backbone, method: Method, images: Any, labels: Any) -> Grouping:
        rule = GroupingRule(
            groups_from=self.groups_from, n_groups=self.n_groups, method=self.cluster
        )
        formed = method.grouping_rule(self.grouping or rule)
        if isinstance(formed, GroupingRule):
            seed = self.random_state or 0
            return formed.in_episode(network, images, name="fit", seed=seed, labels=labels)
        return formed

    def _checked(self, X: Any, y: ArrayLike) -> tuple[Any, NDArray[Any]]:
        if y is None:
            raise KShotValueError(
                "KShotClassifier requires y to be passed, but the target y is None."
            )
        images = self._images(X, reset=True)
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        if len(images) != len(labels):
            raise KShotValueError(f"{len(images)} images but {len(labels)} labels were given.")
        if len(set(labels.tolist())) < 2:
            raise KShotValueError(
                f"A classifier needs two classes; `y` has one class: {labels[0]}."
            )
        return images, labels

    def _images(self, X: Any, *, reset: bool) -> Any:
        from kshot_viz.data.images import image_source

        held = image_source(X)
        if _is_table(held):
            return validate_data(self, held, reset=reset, dtype="numeric").astype(np.float64)
        if reset and hasattr(self, "n_features_in_"):
            del self.n_features_in_
        return held


def _is_table(X: Any) -> bool:
    """Tell rows of numbers, which scikit-learn checks, from images, which may differ in size."""
    from torch import Tensor

    if isinstance(X, Tensor):
        return False
    if hasattr(X, "ndim") or hasattr(X, "__array__"):
        return np.asarray(X).ndim <= 2
    # Nested lists of numbers.
    return isinstance(X, (list, tuple)) and all(isinstance(one, (list, tuple, Real)) for one in X)

"""A classifier that was loaded from a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kshot_viz.finetune.result import FinetuneResult
from kshot_viz.models.backbone import Backbone
from kshot_viz.study.recommendation.estimate import Estimate
from kshot_viz.text import html_details, html_table


@dataclass(frozen=True, eq=False)
class SavedClassifier:
    """A tuned network with its classes, as a folder holds it.

    Attributes
    ----------
    result : FinetuneResult
        The tuned network, and how it was tuned.
    estimate : Estimate or None
        The accuracy to expect, where it was estimated before saving.
    record : mapping
        All that the folder says beside the weights, as plain JSON values: ``network``, ``training``
        (with the digests of the images, where they were given), ``recommendation``, ``versions``
        and more.
    """

    result: FinetuneResult
    estimate: Estimate | None
    record: Mapping[str, Any]

    @property
    def classes(self) -> NDArray[Any]:
        """The class names, shape (way,), in the order of the probabilities."""
        return self.result.classes

    @property
    def backbone(self) -> Backbone:
        """The tuned network with its preprocess."""
        return self.result.backbone

    def predict(self, images: Any) -> NDArray[Any]:
        """Return the class name of each image; a list of paths of image files will do."""
        return self.result.predict(images)

    def predict_proba(self, images: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (images, way)."""
        return self.result.predict_proba(images)

    def score(self, images: Any, labels: ArrayLike | None = None) -> float:
        """Return the share of images whose predicted class is their label."""
        return self.result.score(images, labels)

    def __repr__(self) -> str:
        expected = "" if self.estimate is None else f", expected accuracy {self.estimate.percent} %"
        return (
            f"SavedClassifier({self.backbone.name!r} by {self.result.method}, "
            f"{len(self.classes)} classes{expected})"
        )

    def _repr_html_(self) -> str:
        expected = "not estimated" if self.estimate is None else self.estimate.meaning
        rows = [
            ("method", self.result.method),
            ("settings", self.result.config.summary),
            ("classes", ", ".join(map(str, self.classes))),
            ("accuracy", expected),
        ]
        return html_details(repr(self), html_table(("", ""), rows))

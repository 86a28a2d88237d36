"""What a network from descriptions makes of given images, computed anew after every edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.threads import one_thread
from kshot_viz.words.blend import PRIOR_COUNT, blend
from kshot_viz.words.evidence.word_evidence import measured
from kshot_viz.words.network import with_prototypes
from kshot_viz.words.words import Words

if TYPE_CHECKING:
    import pandas as pd

UNDESCRIBED = -1


@dataclass(frozen=True)
class Settings:
    """How descriptions are used.

    Attributes
    ----------
    shot : int
        Images of each class that join its description; a class with fewer has all it has.
    prior_count : float
        How many images a description counts as.
    evidence : {"shapley", "without", "gradient"}
        See :func:`kshot_viz.words.word_evidence`.
    """

    shot: int = 0
    prior_count: float = PRIOR_COUNT
    evidence: str = "without"


class Preview:
    """Images whose features are computed once, for networks of many descriptions.

    Parameters
    ----------
    backbone : Backbone
    words : Words
        Trained for this backbone.
    images : ImageDataset
        What predictions are for.
    support : ImageDataset, optional
        Images that may join descriptions.

    Attributes
    ----------
    most_shots : int
        What every class that is in ``support`` has.

    Raises
    ------
    KShotValueError
        For words that were trained for another backbone.
    """

    @one_thread()
    def __init__(
        self,
        backbone: Backbone,
        words: Words,
        images: ImageDataset,
        support: ImageDataset | None = None,
    ) -> None:
        words.check(backbone)
        self.backbone, self.words, self.images = backbone, words, images
        self.features = self._standardised(images)
        self.mean = self.features.mean(dim=0)
        self._sums: dict[str, Tensor] = {}
        if support is not None:
            features, targets = self._standardised(support), torch.from_numpy(support.targets)
            sums = [features[targets == c].cumsum(dim=0) for c in range(support.n_classes)]
            named = zip(support.classes, sums, strict=True)
            self._sums = {name: one for name, one in named if len(one)}
        self.most_shots = min(map(len, self._sums.values()), default=0)

    @cached_property
    def plane(self) -> tuple[Tensor, tuple[float, float]]:
        """Two principal directions (features, 2) of the images' features, and their shares."""
        away = self.features - self.mean
        _, sizes, rows = torch.linalg.svd(away, full_matrices=False)
        directions = torch.zeros(away.shape[1], 2)
        shares = torch.zeros(2)
        kept = min(2, len(rows))
        # The sign is arbitrary; the largest component is positive, so that it is always the same.
        largest = rows[:kept].gather(1, rows[:kept].abs().argmax(dim=1, keepdim=True))
        directions[:, :kept] = (rows[:kept] * largest.sign()).T
        shares[:kept] = sizes[:kept] ** 2 / (sizes**2).sum().clamp_min(1e-12)
        return directions, (float(shares[0]), float(shares[1]))

    def project(self, points: Tensor) -> NDArray[np.float64]:
        """Return coordinates (N, 2) of standardised features on :attr:`plane`."""
        return ((points - self.mean) @ self.plane[0]).double().numpy()

    @one_thread()
    def outcome(
        self,
        descriptions: Mapping[str, str],
        settings: Settings,
        renamed: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Make prototypes of descriptions, and see what they make of the images.

        Parameters
        ----------
        descriptions : mapping of str to str
            Class -> text.
        settings : Settings
        renamed : mapping of str to str, optional
            Class of the images -> the class of ``descriptions`` that it is, where names differ.

        Raises
        ------
        KShotKeyError, KShotValueError
            As :meth:`Words.prototypes`.
        """
        names = {name: name for name in descriptions} if renamed is None else dict(renamed)
        order = {name: c for c, name in enumerate(descriptions)}
        by_class = [order.get(names.get(one, ""), UNDESCRIBED) for one in self.images.classes]
        labels = np.array(by_class, dtype=np.int64)[self.images.targets]
        alone = self.words.prototypes(descriptions)
        sums, counts = torch.zeros_like(alone), torch.zeros(len(alone))
        for name, running in self._sums.items():
            c, k = order.get(names.get(name, name), UNDESCRIBED), min(settings.shot, len(running))
            if c >= 0 and k:
                sums[c], counts[c] = running[k - 1], k
        blended = blend(alone, sums, counts, settings.prior_count)
        evidence = self._evidence(descriptions, labels, settings.evidence)
        return Outcome(self, dict(descriptions), settings, labels, alone, blended, evidence)

    def _evidence(
        self, descriptions: Mapping[str, str], labels: NDArray[np.int64], measure: str
    ) -> NDArray[np.float64]:
        kept = torch.from_numpy(labels >= 0)
        targets = torch.from_numpy(labels)[kept]
        found = measured(self.words, descriptions, self.features[kept], targets, measure).double()
        # Without an image of a class there is no score that a word could raise.
        found[targets.bincount(minlength=len(found)) == 0] = torch.nan
        return found.numpy()

    def _standardised(self, data: ImageDataset) -> Tensor:
        features = penultimate_features(self.backbone, data.images)
        return self.words.encoder.head.standardise(features)


@dataclass(frozen=True, eq=False)
class Outcome:
    """A network from descriptions, and what it makes of the images.

    Attributes
    ----------
    preview : Preview
    descriptions : dict of str to str
    settings : Settings
    labels : ndarray, shape (images,)
        The described class of each image; :data:`UNDESCRIBED` where there is none.
    alone, blended : Tensor, shape (classes, features)
        Prototypes of the descriptions, and of these with the images of the support.
    evidence : ndarray, shape (classes, longest text)
        Of every word, for the descriptions alone; NaN for a class without images.
    """

    preview: Preview
    descriptions: dict[str, str]
    settings: Settings
    labels: NDArray[np.int64]
    alone: Tensor
    blended: Tensor
    evidence: NDArray[np.float64]

    @property
    def classes(self) -> list[str]:
        """The described classes."""
        return list(self.descriptions)

    def probabilities(self, *, alone: bool = False) -> NDArray[np.float64]:
        """Return probabilities (images, classes) of the network, or of descriptions alone."""
        prototypes = self.alone if alone else self.blended
        logits = self.preview.words.encoder.head.logits(prototypes, self.preview.features)
        return logits.softmax(dim=-1).double().numpy()

    def accuracy(self, *, alone: bool = False) -> float:
        """Return the share of images that are right, of those of described classes; may be NaN."""
        known = self.labels >= 0
        if not known.any():
            return float("nan")
        guesses = self.probabilities(alone=alone).argmax(axis=1)
        return float((guesses == self.labels)[known].mean())

    def network(self) -> Backbone:
        """Return the classifier."""
        own = self.preview
        return with_prototypes(own.backbone, self.descriptions, own.words, self.blended)

    def frame(self) -> pd.DataFrame:
        """Return predictions, a row for each image and ``head``.

        Columns are ``image``, ``label``, ``head`` ("descriptions" or "descriptions and images"),
        ``shot``, ``predicted``, ``probability`` and ``right``, which is None where the class of the
        image has no description.
        """
        import pandas as pd

        parts = [self._predictions("descriptions", alone=True)]
        if self.settings.shot:
            parts.append(self._predictions("descriptions and images", alone=False))
        return pd.concat(parts, ignore_index=True)

    def word_frame(self) -> pd.DataFrame:
        """Return ``class, position, token, evidence``, a row for each word."""
        import pandas as pd

        rows = [
            (name, position, token, float(self.evidence[c, position]))
            for c, (name, text) in enumerate(self.descriptions.items())
            for position, token in enumerate(self.preview.words.vocabulary.split(text))
        ]
        return pd.DataFrame(rows, columns=["class", "position", "token", "evidence"])

    def _predictions(self, head: str, *, alone: bool) -> pd.DataFrame:
        import pandas as pd

        found = self.probabilities(alone=alone)
        guesses = found.argmax(axis=1)
        own = self.preview.images.labels
        named = [self.classes[c] if c >= 0 else str(own[i]) for i, c in enumerate(self.labels)]
        right = np.where(self.labels >= 0, guesses == self.labels, None)
        return pd.DataFrame(
            {
                "image": np.arange(len(own)),
                "label": named,
                "head": head,
                "shot": 0 if alone else self.settings.shot,
                "predicted": [self.classes[c] for c in guesses],
                "probability": found.max(axis=1),
                "right": pd.Series(right, dtype=object),
            }
        )

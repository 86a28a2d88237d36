"""The accuracy to expect of a classifier, from images that were left out of its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kshot_viz.errors import KShotFileError
from kshot_viz.stats import wilson_share
from kshot_viz.study.recommendation.held_out import HeldOut
from kshot_viz.study.recommendation.take import dependence, take
from kshot_viz.text import counted, interval_text, listed


@dataclass(frozen=True)
class Estimate:
    """An accuracy with its 95 % interval, and what it was estimated from.

    It is the accuracy of the whole procedure on images like those given: in every fold the method
    is chosen without the results on the fold's own images, trained on the others, and scored on
    them. So the accuracy is that of a classifier trained on fewer images than the final one, and
    rather too low than too high.

    The interval is Wilson's, of fewer images than were left out, since classifiers that share
    training images err alike; its upper end allows for an error that falls in proportion to the
    number of training images. It is of images like those given; none says anything of others.

    Attributes
    ----------
    accuracy, low, high : float
        Shares; every class counts the same.
    images : int
        So many images were left out, each once.
    folds : int
        In so many folds.
    shot : int
        Images of a class that a classifier was trained on, at least.
    methods : tuple of str
        The method that each fold chose; none where there was one candidate.
    """

    accuracy: float
    low: float
    high: float
    images: int
    folds: int
    shot: int
    methods: tuple[str, ...]

    @property
    def percent(self) -> str:
        """Accuracy and interval in percent: ``"88.0 [75.8, 94.4]"``."""
        return interval_text(100 * self.accuracy, 100 * self.low, 100 * self.high, ".1f")

    @property
    def meaning(self) -> str:
        """What the estimate means, in words."""
        chosen = list(dict.fromkeys(self.methods))
        without = ""
        if chosen:
            without = f", and every fold chose its method without them ({listed(chosen)})"
        trained = counted(self.shot, "image")
        return (
            f"Expected accuracy on images like these: {self.percent} % (95 % interval). "
            f"{counted(self.images, 'image')} were left out of training in {self.folds} folds, "
            f"each once{without}. The classifiers behind it were trained on "
            f"{trained} a class, fewer than the final one, so it is rather too low than too high. "
            f"Images of another kind are not covered."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "methods": list(self.methods)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Estimate:
        """Rebuild an estimate; another record is a KShotFileError."""
        try:
            return cls(**{**record, "methods": tuple(record["methods"])})
        except (TypeError, KeyError) as error:
            raise KShotFileError(f"This is no estimate of an accuracy: {error!r}.") from error


def estimated(found: HeldOut, prior: Mapping[str, float], *, shot: int) -> Estimate:
    """Return the accuracy of choosing and training together.

    Parameters
    ----------
    found : HeldOut
    prior : mapping of str to float
        As :func:`kshot_viz.recommend` takes it.
    shot : int
        Images of a class in the smallest training set.
    """
    hits, chosen = _choose_without(found, prior)
    low, high = _interval(hits, len(chosen))
    return Estimate(
        accuracy=float(hits.mean()),
        low=low,
        high=high,
        images=len(hits),
        folds=len(chosen),
        shot=shot,
        methods=chosen if len(found.candidates) + len(found.untried) > 1 else (),
    )


def _choose_without(
    found: HeldOut, prior: Mapping[str, float]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return whether each image was recognised by what its fold chose without it."""
    hits, chosen = np.zeros(len(found.folds), dtype=bool), []
    by_name = dict(zip([one.name for one in found.candidates], found.hits, strict=True))
    folds = int(found.folds.max()) + 1
    for fold in range(folds):
        inside, known = found.folds == fold, found.without(fold)
        index, _ = take(known.candidates, known.hits, folds - 1, prior)
        name = known.candidates[index].name
        hits[inside] = by_name[name][inside]
        chosen.append(name)
    return hits, tuple(chosen)


def _interval(hits: np.ndarray, chosen: int) -> tuple[float, float]:
    """Return the interval of the final classifier's accuracy.

    Its lower end is Wilson's for the images that were left out, counted as fewer than they are
    since the folds depend on each other. The upper end is that of an error smaller in proportion to
    the images that take part in the folds beyond those that a fold trains on. Where classes differ
    in size, the final classifier is trained on more than these.
    """
    n = len(hits) / dependence(chosen)
    share = float(hits.mean())
    fewer_errors = (1.0 - share) * (chosen - 1) / chosen
    return wilson_share(share * n, n).low, wilson_share((1.0 - fewer_errors) * n, n).high

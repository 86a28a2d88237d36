"""Which candidate is taken: of those that are as good as the best, what did best on other tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kshot_viz.finetune.candidate import Candidate
from kshot_viz.study.recommendation.safe import is_frozen
from kshot_viz.study.settings.choice import rounded_mean

# What a prior knows nothing of comes last.
UNKNOWN = float("inf")
# Standard errors that a candidate may be behind and yet count as as good as the best. Of five
# candidates on fifty images the best is often ahead of an equal by one error, and rarely by two.
ERRORS = 2.0


def take(
    candidates: Sequence[Candidate], hits: np.ndarray, folds: int, prior: Mapping[str, float]
) -> tuple[int, np.ndarray]:
    """Choose a candidate by the images that it recognised, and by how it did on other tasks.

    As good as the best is a candidate whose accuracy is within two standard errors of it, those of
    the paired difference over images, which depend on each other as :func:`dependence` says. Of
    these the one with the smallest regret in ``prior`` is taken. Where that is equal, or not known:
    one that leaves the body as it is before one that moves it; of those that leave it the most
    accurate, of those that move it the first.

    Parameters
    ----------
    candidates : sequence of Candidate
        The least moved first.
    hits : ndarray of bool, shape (candidates, images)
        Which images that were left out each of them recognised.
    folds : int
        In which the images were left out.
    prior : mapping of str to float
        Mean regret of methods in points.

    Returns
    -------
    taken : int
        Its index.
    good : ndarray of bool, shape (candidates,)
        Which are as good as the best.
    """
    shares = hits.astype(float)
    means = rounded_mean(shares)
    best = int(means.argmax())
    behind = shares[best] - shares
    error = behind.std(axis=1, ddof=1) * np.sqrt(dependence(folds) / hits.shape[1])
    good = np.round(means[best] - means - ERRORS * error, 12) <= 0
    ranked = sorted(
        np.flatnonzero(good).tolist(),
        key=lambda i: (regret(candidates[i], prior), _moved(candidates, i), -means[i], i),
    )
    return ranked[0], good


def dependence(folds: int) -> float:
    """Return how many times the variance of a mean over folds is that of independent images.

    1 + folds / (folds - 1): the classifiers of two folds share most of their training images
    (Nadeau and Bengio, "Inference for the generalization error", Machine Learning, 2003, section
    3, where it is written (1 / J + n2 / n1) J). The images of a single fold are independent.
    """
    return 1.0 + folds / (folds - 1) if folds > 1 else 1.0


def regret(candidate: Candidate, prior: Mapping[str, float]) -> float:
    """Return what a prior knows of a candidate's method."""
    return float(prior.get(candidate.method.name, UNKNOWN))


def _moved(candidates: Sequence[Candidate], index: int) -> int:
    """Return 0 for a body that stays as it is, else the rank in the order given."""
    return 0 if is_frozen(candidates[index]) else 1 + index

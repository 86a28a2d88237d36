"""Recommend a method for k images a class, from these images alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from kshot_viz.checks import check, checked, mapping, number, optional, several, text, whole
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.evaluate.evaluate import bind
from kshot_viz.evaluate.executors import resolve_executor
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.loop import check_applies
from kshot_viz.methods.base import Method
from kshot_viz.methods.registry import list_methods, resolve_method
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.models.modes import check_device
from kshot_viz.study.recommendation import reasons as why
from kshot_viz.study.recommendation.estimate import estimated
from kshot_viz.study.recommendation.folds import leave_out_episodes, usable_images
from kshot_viz.study.recommendation.held_out import held_out
from kshot_viz.study.recommendation.labelled import labelled_dataset
from kshot_viz.study.recommendation.prior import shipped_prior
from kshot_viz.study.recommendation.recommendation import Recommendation
from kshot_viz.study.recommendation.safe import safe_candidate, safe_candidates
from kshot_viz.study.recommendation.take import regret, take
from kshot_viz.text import listed


@checked(
    backbone=BACKBONE,
    prior=optional(mapping),
    candidates=optional(several),
    executor=text,
    workers=optional(whole(1)),
    seed=whole(0),
)
def recommend(
    backbone: Backbone,
    support: Any,
    *,
    prior: Mapping[str, float] | None = None,
    candidates: Sequence[str | Method | Candidate] | None = None,
    source: Any = None,
    executor: str = "serial",
    workers: int | None = None,
    device: str | torch.device | None = None,
    seed: int = 0,
    progress: bool | str = False,
) -> Recommendation:
    """Recommend a method for a handful of labelled images, and say what accuracy to expect.

    A few safe candidates are tried on images that are left out of training in turn: one image of
    every class at a time, or, beyond five images a class, a fifth of them. Of the candidates that
    are within two standard errors of the best, the one that lost least on other tasks is taken.

    Parameters
    ----------
    backbone : Backbone
    support : object with ``images`` and ``labels``, or a pair (images, labels)
        All labelled images there are. Where classes differ in size, as many as the smallest has
        take part in the comparison, drawn by the seed; training uses all.
    prior : mapping of str to float, optional
        Mean regret of methods in points, from other tasks. It decides between candidates that are
        equally good, and where a class has one image; a method that it lacks comes last. By default
        what was measured at the nearest number of images of a class with enough data
        (``docs/results/recommend.md``), or nothing for ``candidates`` of your own. What decides
        where it does not: :func:`kshot_viz.study.recommendation.take.take`.
    candidates : sequence of str, Method or Candidate, optional
        What to choose among, the least moved first; by default nearest mean, logistic regression,
        head only, and grouped and plain fine-tuning. Methods that are named take small step sizes,
        from a head that is imprinted with the class means. With a single one only its accuracy is
        estimated.
    source : image batch, optional
        Images that form the groups of candidates whose groups come from ``"source"``, by default
        of all that have groups.
    executor, workers, device
        As in :func:`kshot_viz.evaluate`, of candidates that move the body. The features that the
        others read are computed once, where the network is.
    seed : int
        Of the folds, and of training.
    progress : bool or str
        Show a progress bar of the candidates that move the body of the network.

    Returns
    -------
    Recommendation
        With its ``estimate``, see :class:`kshot_viz.study.recommendation.estimate.Estimate`; None
        where a class has one image.

    Raises
    ------
    KShotValueError
        For images and labels that do not fit, fewer than two classes, a class that has only copies
        of images of others, a candidate that cannot be used on the network, a regret that is no
        number >= 0, candidates of one name, or a source image that is among the images.
    KShotKeyError
        For a method in ``prior`` that does not exist.

    Notes
    -----
    What counts as equally good is told as by the rule of one standard error of Breiman et al.,
    Classification and Regression Trees (1984), with two: a handful of images orders candidates that
    are equally good by chance. So what is known from other tasks decides between them.
    """
    check_device(device)
    resolve_executor(executor, workers)
    data, _ = labelled_dataset(support)
    shot = _fewest_images(data)
    tried = _candidates(backbone, data, candidates, source, seed)
    episodes = leave_out_episodes(data, seed=seed)
    known = _known(prior, candidates, shot)
    if not episodes:
        return _without_comparison(backbone, data, tried, known, seed)
    found = held_out(
        backbone,
        data,
        episodes,
        tried,
        source=source,
        executor=executor,
        workers=workers,
        device=device,
        seed=seed,
        progress="leave one out" if progress is True else progress,
    )
    estimate = estimated(found, known, shot=min(one.shot for one in episodes))
    taken, good = take(found.candidates, found.hits, len(episodes), known)
    chosen = found.candidates[taken]
    sentences = [
        why.images_reason(data),
        why.label_reason(data),
        *why.comparison_reasons(found, taken, good, known),
        why.size_reason(backbone, chosen, tried, data),
        why.source_reason(backbone, data),
        why.chance_reason(estimate, data),
    ]
    among = tuple(one.name for one in tried)
    return Recommendation(
        chosen, tuple(filter(None, sentences)), estimate, found.accuracies, shot, seed, among
    )


def _fewest_images(data: ImageDataset) -> int:
    """Return how many images the smallest class has that are no copies of others."""
    counts = dict(zip(data.classes, map(len, usable_images(data)), strict=True))
    if empty := [name for name, n in counts.items() if not n]:
        raise KShotValueError(
            f"Every image of {listed(empty)} is a copy of one in another class, so nothing tells "
            f"these classes from each other. Remove the copies, or the class."
        )
    return min(counts.values())


def _without_comparison(
    backbone: Backbone,
    data: ImageDataset,
    candidates: Sequence[Candidate],
    prior: Mapping[str, float],
    seed: int,
) -> Recommendation:
    """Recommend what did best on other tasks, else the first, where a class has one image."""
    # Without a prior the order decides: the first trains nothing.
    chosen = min(candidates, key=lambda one: regret(one, prior))
    sentences = [
        why.images_reason(data),
        why.label_reason(data),
        why.only_one_image(chosen, prior),
        why.size_reason(backbone, chosen, candidates, data),
        why.source_reason(backbone, data),
    ]
    among = tuple(one.name for one in candidates)
    return Recommendation(chosen, tuple(filter(None, sentences)), None, {}, 1, seed, among)


def _candidates(
    backbone: Backbone,
    data: ImageDataset,
    given: Sequence[str | Method | Candidate] | None,
    source: Any,
    seed: int,
) -> list[Candidate]:
    """Return the candidates, with the groups that need no image of the support made."""
    groups_from = "support" if source is None else "source"
    if given is None:
        tried = safe_candidates(backbone, data, groups_from=groups_from)
    else:
        tried = [
            one
            if isinstance(one, Candidate)
            else safe_candidate(
                backbone, data, resolve_method(one, "candidates"), groups_from=groups_from
            )
            for one in given
        ]
    for one in tried:
        check_applies(one.method, backbone)
    names = [one.name for one in tried]
    if not names or len(set(names)) < len(names):
        raise KShotValueError(
            f"`candidates` must be one or more, of distinct names; not {names}. Give a candidate a "
            f"`name=` of its own."
        )
    return bind(backbone, tried, source, seed)


def _known(
    prior: Mapping[str, float] | None, candidates: Sequence[Any] | None, shot: int
) -> Mapping[str, float]:
    if prior is not None:
        return _checked_prior(prior)
    # What was measured is true of the settings it was measured at.
    return shipped_prior(shot) if candidates is None else {}


def _checked_prior(prior: Mapping[str, float]) -> Mapping[str, float]:
    methods = list_methods() if prior else []
    for name, points in prior.items():
        if name not in methods:
            raise unknown_name("prior", name, methods)
        check(f"prior[{name!r}]", points, number(0))
    return prior

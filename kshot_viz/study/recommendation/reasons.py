"""Why a candidate is recommended, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.image_files import ImageFiles
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.models.inputs.preprocess import Preprocess
from kshot_viz.models.inputs.source_pixels import (
    FAR,
    seen_statistics,
    source_statistics,
    unlike_source,
)
from kshot_viz.study.recommendation.estimate import Estimate
from kshot_viz.study.recommendation.folds import in_two_classes, usable_images
from kshot_viz.study.recommendation.held_out import HeldOut
from kshot_viz.study.recommendation.safe import free_numbers, is_frozen
from kshot_viz.study.recommendation.take import regret
from kshot_viz.text import counted, listed

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

# Standard deviations of pixels that are this many times each other's are not near.
CONTRAST = 2.0


def images_reason(data: ImageDataset) -> str:
    """Say how many images there are of a class, and how many of them can be left out."""
    counts, usable = data.counts().values(), [len(one) for one in usable_images(data)]
    low, high = min(counts), max(counts)
    each = f"{low}" if low == high else f"{low} to {high}"
    text = f"There are {counted(data.n_classes, 'class')}".replace("classs", "classes")
    text += f" with {each} image{'' if high == 1 else 's'} each"
    copies = sum(counts) - sum(usable)
    if copies:
        text += f", of which {copies} {'is a copy' if copies == 1 else 'are copies'} of others"
    if 1 < min(usable) < max(usable):
        text += f"; methods are compared on {min(usable)} of each"
    return f"{text}."


def label_reason(data: ImageDataset) -> str:
    """Name an image that is in two classes, of which one label is likely wrong; ``""`` if none."""
    double = in_two_classes(data)
    if not double:
        return ""
    first = listed([_where(data, index) for index in double[0]])
    more = f", and so for {counted(len(double) - 1, 'other image')}" if len(double) > 1 else ""
    return f"One image has two labels ({first}){more}: look whether one of them is wrong."


def _where(data: ImageDataset, index: int) -> str:
    """Name an image by its class, and by its file where it has one."""
    label = data.classes[int(data.targets[index])]
    files = data.images
    return f"{label}/{Path(files.paths[index]).name}" if isinstance(files, ImageFiles) else label


def comparison_reasons(
    found: HeldOut, taken: int, good: np.ndarray, prior: Mapping[str, float]
) -> list[str]:
    """Say how the candidates did on images that were left out, and why one of them is taken."""
    shares = 100 * found.hits.mean(axis=1)
    each = [f"{_label(one)} {share:.1f} %" for one, share in zip(found.candidates, shares)]  # noqa: B905
    folds = int(found.folds.max()) + 1
    texts = [
        f"Of {counted(len(found.folds), 'image')} that were left out of training in turn, in "
        f"{folds} folds, the methods recognised: {listed(each)}."
    ]
    if found.untried:
        names = listed([_label(one) for one in found.untried])
        texts.append(f"No method does better than that, so others were not tried ({names}).")
    if len(found.candidates) > 1:
        texts.append(_choice(found, shares, taken, good, prior))
    return texts


def _choice(
    found: HeldOut, shares: np.ndarray, taken: int, good: np.ndarray, prior: Mapping[str, float]
) -> str:
    chosen, best = found.candidates[taken], int(shares.argmax())
    if good.sum() == 1:
        return f"{_label(chosen).capitalize()} is clearly the best of them."
    preferred = _preferred(chosen, prior)
    if shares[taken] == shares[best]:
        return f"{_label(chosen).capitalize()} is as good as any of them; {preferred}."
    gap = shares[best] - shares[taken]
    return (
        f"{_label(found.candidates[best]).capitalize()} was the best, by {gap:.1f} points, which "
        f"is within two standard errors of {_label(chosen)}; {preferred}, so {_label(chosen)} is "
        f"taken."
    )


def _preferred(
    chosen: Candidate, prior: Mapping[str, float], others: str = "the others that are as good"
) -> str:
    """Say why a candidate is taken before others."""
    if chosen.method.name in prior:
        # Others may have lost as much there, or not have been tried there.
        return (
            f"none of {others} is known to have lost less on other tasks, where it was "
            f"{regret(chosen, prior):.1f} points behind the best method on average"
        )
    if is_frozen(chosen):
        return "it leaves the body of the network as it is"
    return "it comes first of those that move the network"


def only_one_image(candidate: Candidate, prior: Mapping[str, float]) -> str:
    """Say why a candidate is taken where nothing can be left out."""
    text = "With one image of a class nothing can be left out to compare methods; "
    if candidate.method.name in prior:
        why = _preferred(candidate, prior, "the others")
        return f"{text}{_label(candidate)} is taken, since {why}."
    if candidate.method.takes_steps:
        return f"{text}{_label(candidate)} is the first of the candidates."
    return (
        f"{text}{_label(candidate)} has nothing to tune and nothing that can go wrong in training."
    )


def size_reason(
    backbone: Backbone, candidate: Candidate, others: Sequence[Candidate], data: ImageDataset
) -> str:
    """Say how many numbers are fitted for each image, and how many the largest rival fits.

    Nothing is said of a method that adds parameters of its own.
    """
    n, way = len(data), data.n_classes
    own = free_numbers(backbone, candidate, way)
    if own is None:
        return ""
    text = f"It fits {own:,} numbers to {counted(n, 'image')}, {_each(own, n)} for each image"
    most = max((free_numbers(backbone, one, way) or 0, i) for i, one in enumerate(others))
    rival = others[most[1]]
    if most[0] <= own or rival.name == candidate.name:
        return f"{text}."
    return f"{text}; {_label(rival)} fits {most[0]:,}, {_each(most[0], n)} for each."


def source_reason(backbone: Backbone, data: ImageDataset) -> str:
    """Say how far the images are from those that the network learned from; ``""`` if unknown."""
    source, how = source_statistics(backbone), backbone.preprocess
    if source is None or not isinstance(how, Preprocess):
        return ""
    seen = seen_statistics(how, data)
    unlike = unlike_source(seen, source)
    if unlike:
        return f"The images {unlike}."
    spread = max(seen.std, source.std) > CONTRAST * min(seen.std, source.std)
    far = abs(seen.mean - source.mean) > FAR or spread
    return (
        f"In brightness and contrast the images {'differ from' if far else 'are near'} those that "
        f"the network learned from: mean {seen.mean:.2f} against {source.mean:.2f}, standard "
        f"deviation {seen.std:.2f} against {source.std:.2f}"
        f"{'; one that learned from images of their kind may do better' if far else ''}."
    )


def chance_reason(estimate: Estimate, data: ImageDataset) -> str:
    """Say where an accuracy may be that of guessing; ``""`` where it is clearly above."""
    guessing = 1 / data.n_classes
    if estimate.low > guessing:
        return ""
    return (
        f"With {data.n_classes} classes guessing is right in {100 * guessing:.1f} %, and the "
        f"accuracy to expect is not clearly above that."
    )


def _label(candidate: Candidate) -> str:
    """Return what tables call a candidate."""
    method = candidate.method
    named = candidate.name == method.name and method.label
    return method.label if named else candidate.name


def _each(numbers: int, images: int) -> str:
    return f"{max(1, round(numbers / images)):,}"

"""The reward protocols: tasks from a source, augmented copies, held-out or validation images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kshot_viz.checks import checked, flag, instance, optional, whole
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.data.episodes.sampling import sample_episodes
from kshot_viz.errors import KShotValueError
from kshot_viz.search.rewards.augment import Augmentation, square_side, squares
from kshot_viz.search.rewards.reward import Reward, forming, renumbered
from kshot_viz.text import counted


@checked(source=instance(ImageDataset), shot=whole(1), n=whole(1), same_classes=flag)
def pseudo_episode_reward(
    source: ImageDataset,
    *,
    way: int | None,
    shot: int,
    query: int = 15,
    n: int = 8,
    same_classes: bool = False,
    seed: int = 0,
) -> Reward:
    """Reward accuracy on k-shot tasks drawn from a labelled source. Uses no target label.

    Parameters
    ----------
    source : ImageDataset
        Labelled images of other classes, or of the same classes in another domain.
    way, shot, query : int
        As in :func:`kshot_viz.sample_episodes`.
    n : int
        Number of tasks.
    same_classes : bool
        Whether the source shows the target's classes in another domain; recorded only.
    seed : int

    Raises
    ------
    KShotValueError
        If a class has fewer than ``shot + 1`` images; the class is named.
    """
    counts = source.counts()
    short = {name: count for name, count in counts.items() if count < shot + 1}
    if short:
        name, count = next(iter(short.items()))
        raise KShotValueError(
            f"class {name!r} of {source.name!r} has {counted(count, 'image')}; a task of "
            f"{counted(shot, 'shot')} needs at least {shot + 1}. Leave the class out, or use fewer "
            "shots."
        )
    drawn = sample_episodes(
        source, way=way, shot=shot, query=query, n=n, val_share=0.0, seed=seed, min_query=1
    )
    data, episodes = renumbered(source, drawn)
    note = (
        f"Labels of the same classes in another domain, {source.name!r}."
        if same_classes
        else f"Labels of {source.name!r} only."
    )
    return Reward(
        "pseudo_episodes",
        data,
        episodes,
        source=forming(source, data),
        note=note,
        settings={"same_classes": same_classes, "seed": seed},
    )


@checked(
    support=instance(ImageDataset),
    query=whole(1),
    n=whole(1),
    distractors=optional(instance(ImageDataset)),
    source=optional(instance(ImageDataset)),
    seed=whole(0),
)
def augmented_support_reward(
    support: ImageDataset,
    *,
    query: int = 10,
    n: int = 4,
    augmentation: Augmentation | None = None,
    distractors: ImageDataset | None = None,
    source: ImageDataset | None = None,
    seed: int = 0,
) -> Reward:
    """Reward accuracy on augmented copies of the k images. Uses no further target label.

    Parameters
    ----------
    support : ImageDataset
        The k images of each class.
    query : int
        Augmented copies of a class in each task.
    n : int
        Number of tasks; the support is the same, the copies differ.
    augmentation : Augmentation, optional
    distractors : ImageDataset, optional
        Other images; each becomes a class of its own with as many copies.
    source : ImageDataset, optional
        Images that may form groups.
    seed : int

    Notes
    -----
    Copies of an image are recognised by memorising the image. So this reward says little about step
    sizes: searching them with it found far too large ones on photographs, and lost 14 points
    (``docs/results/search.md``). Fix step sizes in the space, or prefer tasks of other labelled
    images (:func:`pseudo_episode_reward`).
    """
    shot = _shots(support)
    augment = augmentation or Augmentation()
    side = augment.side or square_side(support)
    order = np.argsort(support.targets, kind="stable")
    images = [squares(support.take(order), side)]
    targets = [support.targets[order]]
    classes = [str(name) for name in support.classes]
    if distractors is not None:
        images.append(np.repeat(squares(distractors, side), shot, axis=0))
        targets.append(np.repeat(len(classes) + np.arange(len(distractors)), shot))
        classes += [f"distractor {i}" for i in range(len(distractors))]
    shown, known = np.concatenate(images), np.concatenate(targets)
    way = len(classes)
    copies, labels = [shown], [known]
    for task in range(n):
        chosen = np.concatenate(
            [np.resize(np.flatnonzero(known == label), query) for label in range(way)]
        )
        copies.append(augment(shown[chosen], seed, task))
        labels.append(known[chosen])
    data = ImageDataset.from_arrays(
        np.concatenate(copies),
        np.concatenate(labels),
        classes=classes,
        name=f"{support.name}, varied",
    )
    common = _common(data, way, shot, query, seed)
    start, each = len(shown), way * query
    episodes = tuple(
        Episode(
            index=task,
            support=tuple(range(start)),
            query=tuple(range(start + task * each, start + (task + 1) * each)),
            **common,
        )
        for task in range(n)
    )
    return Reward(
        "augmented_support",
        data,
        episodes,
        source=forming(source, data),
        note="Scored on varied copies of the k images: memorising them is rewarded.",
        settings={"augmentation": augment.to_dict(), "seed": seed},
    )


@checked(support=instance(ImageDataset), source=optional(instance(ImageDataset)), seed=whole(0))
def cross_validation_reward(
    support: ImageDataset, *, source: ImageDataset | None = None, seed: int = 0
) -> Reward:
    """Reward accuracy on one image of each class left out. Uses no further target label.

    There are as many tasks as shots: each leaves out another image of every class.

    Raises
    ------
    KShotValueError
        For fewer than 2 images of a class, or classes of different sizes.
    """
    shot, way = _shots(support), support.n_classes
    if shot < 2:
        raise KShotValueError(
            f"Cross-validation needs 2 or more images of each class; not {support.counts()}."
        )
    by_class = np.stack([np.flatnonzero(support.targets == label) for label in range(way)])
    common = _common(support, way, shot - 1, 1, seed)
    episodes = tuple(
        Episode(
            index=fold,
            support=tuple(np.delete(by_class, fold, axis=1).ravel().tolist()),
            query=tuple(by_class[:, fold].tolist()),
            **common,
        )
        for fold in range(shot)
    )
    return Reward(
        "cross_validation",
        support,
        episodes,
        source=forming(source, support),
        note=f"Each task trains on {shot - 1} of the {shot} images of a class.",
        settings={"seed": seed},
    )


@checked(data=instance(ImageDataset), source=optional(instance(ImageDataset)))
def validation_reward(
    data: ImageDataset, episodes: Sequence[Episode], *, source: ImageDataset | None = None
) -> Reward:
    """Reward accuracy on validation episodes of the target; their number of labels is recorded.

    Parameters
    ----------
    data : ImageDataset
    episodes : sequence of Episode
        Of the validation pool; see :func:`kshot_viz.data.episodes.validation_episodes`.
    source : ImageDataset, optional
        Images that may form groups.

    Raises
    ------
    KShotValueError
        If an episode is of the test pool.
    """
    wrong = [one.name for one in episodes if one.pool != "val"]
    if wrong:
        raise KShotValueError(
            f"A search may only be rewarded by validation episodes; {wrong[0]!r} is none."
        )
    kept, own = renumbered(data, episodes)
    return Reward(
        "validation",
        kept,
        own,
        source=forming(source, kept),
        target_labels=len(kept),
        note=f"{len(kept)} labelled images of the validation pool of {data.name!r}.",
    )


def _shots(support: ImageDataset) -> int:
    """Return the number of images of each class, which must be the same for all."""
    counts = support.counts()
    if len(set(counts.values())) != 1 or not len(support):
        raise KShotValueError(f"`support` must have as many images of each class; not {counts}.")
    return next(iter(counts.values()))


def _common(data: ImageDataset, way: int, shot: int, query: int, seed: int) -> dict[str, Any]:
    return {
        "pool": "val",
        "classes": tuple(range(way)),
        "way": way,
        "shot": shot,
        "query_per_class": query,
        "val_share": 0.0,
        "seed": seed,
        "data_name": data.name,
        "fingerprint": data.fingerprint,
    }

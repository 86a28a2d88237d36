"""Episodes that leave out a few images of every class in turn, until each was left out once."""

from __future__ import annotations

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.seeds import numpy_rng
from kshot_viz.study.fold_parts import fold_parts


def usable_images(data: ImageDataset) -> list[list[int]]:
    """Return the images of each class that may be left out: copies of an image count once.

    A copy in another class counts for the first of them alone, so that no image is left out and
    trained on at once.
    """
    first: dict[str, int] = {}
    for index, content in enumerate(data.digests):
        first.setdefault(content, index)
    found: list[list[int]] = [[] for _ in range(data.n_classes)]
    for index in first.values():
        found[int(data.targets[index])].append(index)
    return found


def in_two_classes(data: ImageDataset) -> list[list[int]]:
    """Return the images, as lists of copies, that have different labels."""
    copies: dict[str, list[int]] = {}
    for index, content in enumerate(data.digests):
        copies.setdefault(content, []).append(index)
    return [one for one in copies.values() if len({int(data.targets[i]) for i in one}) > 1]


def leave_out_episodes(data: ImageDataset, *, seed: int = 0) -> list[Episode]:
    """Return one episode a fold: its queries are the images left out, its support all others.

    Parameters
    ----------
    data : ImageDataset
        Its classes have k different images or more; of each class k, drawn by the seed, take part.
    seed : int

    Returns
    -------
    list of Episode
        min(k, 5) of them: up to 5 images a class each image is left out alone, beyond that a fifth
        of the images together. None where a class has one image.
    """
    classes = usable_images(data)
    shot = min(map(len, classes))
    drawn = [
        numpy_rng(seed, "left out", name).permutation(images)[:shot].tolist()
        for name, images in zip(data.classes, classes, strict=True)
    ]
    return [_episode(data, drawn, part, i, seed) for i, part in enumerate(fold_parts(shot))]


def _episode(
    data: ImageDataset, drawn: list[list[int]], left_out: list[int], index: int, seed: int
) -> Episode:
    held = [images[i] for images in drawn for i in left_out]
    kept = [one for images in drawn for i, one in enumerate(images) if i not in left_out]
    return Episode(
        index=index,
        pool="test",
        classes=tuple(range(data.n_classes)),
        support=tuple(kept),
        query=tuple(held),
        way=data.n_classes,
        shot=len(drawn[0]) - len(left_out),
        query_per_class=len(left_out),
        val_share=0.0,
        seed=seed,
        data_name=data.name,
        fingerprint=data.fingerprint,
    )

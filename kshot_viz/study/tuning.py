"""The episodes that settings are chosen on. No test episode is among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episode import Episode
from kshot_viz.data.episodes import sample_episodes, validation_episodes
from kshot_viz.errors import KShotValueError, unknown_name

TUNE = ("validation", "source", None)


@dataclass(frozen=True)
class Tuning:
    """Episodes to tune on, the data set they are drawn from, and the target labels they cost."""

    data: ImageDataset
    episodes: list[Episode]
    target_labels: int


def tuning_episodes(
    data: ImageDataset,
    episodes: Sequence[Episode],
    *,
    source: Any,
    tune: str | None,
    n_val: int,
) -> Tuning:
    """Draw ``n_val`` tuning episodes for every way and shot of the test episodes.

    ``"validation"`` takes the data's own validation pool and counts its images as target labels
    used; ``"source"`` takes a labelled source set and uses none; None tunes nothing.
    """
    if not episodes:
        raise KShotValueError("`episodes` is empty; make some with kv.sample_episodes(data, ...).")
    if tune not in TUNE:
        raise unknown_name("tune", tune, TUNE)
    if tune is None:
        return Tuning(data, [], 0)
    if n_val < 1:
        raise KShotValueError(f"`n_val` must be >= 1 to tune on episodes; not {n_val}.")
    if tune == "source":
        return Tuning(_labelled(source), _from_source(source, episodes, n_val), 0)
    drawn = [
        one
        for way, shot in task_sizes(episodes)
        for one in validation_episodes(data, of_size(episodes, way, shot), n=n_val)
    ]
    used = {image for one in drawn for image in one.support + one.query}
    return Tuning(data, drawn, len(used))


def task_sizes(episodes: Sequence[Episode]) -> list[tuple[int, int]]:
    """Return the distinct (way, shot), in order of appearance."""
    return list(dict.fromkeys((one.way, one.shot) for one in episodes))


def of_size(episodes: Sequence[Episode], way: int, shot: int) -> list[Episode]:
    """Keep the episodes of one way and shot."""
    return [one for one in episodes if (one.way, one.shot) == (way, shot)]


def _from_source(source: Any, episodes: Sequence[Episode], n_val: int) -> list[Episode]:
    seed = episodes[0].seed
    return [
        one
        for way, shot in task_sizes(episodes)
        for one in sample_episodes(
            source, way=way, shot=shot, n=n_val, val_share=0.5, seed=seed, pool="val"
        )
    ]


def _labelled(source: Any) -> ImageDataset:
    if not isinstance(source, ImageDataset) or source.n_classes < 2:
        raise KShotValueError("tune='source' needs `source=`, a labelled ImageDataset.")
    return source

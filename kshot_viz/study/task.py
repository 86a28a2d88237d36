"""The tasks of a comparison, and the episodes that their settings are chosen on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from kshot_viz.checks import whole
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import sample_episodes, validation_episodes
from kshot_viz.data.episodes.episode import Episode, check_source, without_queries
from kshot_viz.errors import KShotValueError, unknown_name

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, order=True)
class Task:
    """A data set and a network at one number of classes and of labelled images a class.

    Attributes
    ----------
    data, backbone : str
        Their names.
    way, shot : int
    """

    data: str
    backbone: str
    way: int
    shot: int

    @classmethod
    def of(cls, row: Any) -> Task:
        """Return the task of a row, a mapping with these columns."""
        return cls(str(row["data"]), str(row["backbone"]), int(row["way"]), int(row["shot"]))

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of this task."""
        return frame[(frame[TASK] == [getattr(self, name) for name in TASK]).all(axis=1)]

    def episodes(self, episodes: Iterable[Episode]) -> list[Episode]:
        """Return the episodes of this way and shot."""
        return [one for one in episodes if (one.way, one.shot) == (self.way, self.shot)]


TASK = [one.name for one in fields(Task)]


def tasks_of(episodes: Iterable[Episode], backbone: Backbone) -> list[Task]:
    """Return the distinct tasks of episodes, in order of appearance."""
    found = (Task(one.data_name, backbone.name, one.way, one.shot) for one in episodes)
    return list(dict.fromkeys(found))


def episode_key(row: Any) -> str:
    """Name the episode of a row among those of several ways and shots."""
    return f"{row['way']}-way {row['shot']}-shot {row['episode']}"


TUNE = ("validation", "source", None)


@dataclass(frozen=True)
class Tuning:
    """Episodes to tune on, the data set they are drawn from, and the target labels they cost."""

    data: ImageDataset
    episodes: list[Episode]
    target_labels: int

    def first(self, tasks: Iterable[Task], n: int) -> Tuning:
        """Return the tuning with the first ``n`` episodes of each task alone."""
        kept = [one for task in tasks for one in task.episodes(self.episodes)[:n]]
        return replace(
            self, episodes=kept, target_labels=len(_images(kept)) if self.target_labels else 0
        )

    def without_queries(self, source: Any) -> Any:
        """Return the source images that groups may be formed from: no query of a tuning episode.

        Where the episodes were drawn from the source itself, their queries are left out; any other
        source that holds one is an error.
        """
        if source is not self.data:
            check_source(source, self.data, self.episodes)
            return source
        return without_queries(source, self.data, self.episodes)


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
    _check_episodes(episodes)
    if tune not in TUNE:
        raise unknown_name("tune", tune, TUNE)
    if tune is None:
        return Tuning(data, [], 0)
    if wanted := whole(1)(n_val):
        raise KShotValueError(f"`n_val` must be {wanted} to tune on; not {n_val!r}.")
    if tune == "source":
        return Tuning(_labelled(source), _from_source(source, episodes, n_val), 0)
    drawn = [
        one
        for size in _sizes(episodes)
        for one in validation_episodes(data, _of_size(episodes, size), n=n_val)
    ]
    used = _images(drawn)
    _check_disjoint(data, used, _images(episodes))
    return Tuning(data, drawn, len(used))


def _images(episodes: Sequence[Episode]) -> set[int]:
    return {image for one in episodes for image in one.support + one.query}


def _check_disjoint(data: ImageDataset, tuning: set[int], test: set[int]) -> None:
    """Look at the images themselves: test episodes may come from a file that was edited."""
    shared = {data.digests[i] for i in tuning} & {data.digests[i] for i in test}
    if shared:
        raise KShotValueError(
            f"{len(shared)} images are in tuning and in test episodes. Draw the test episodes with "
            f"kv.sample_episodes(data, val_share=..., seed=...), or use tune='source'."
        )


def _sizes(episodes: Sequence[Episode]) -> list[tuple[int, int]]:
    """Return the distinct (way, shot), in order of appearance."""
    return list(dict.fromkeys((one.way, one.shot) for one in episodes))


def _of_size(episodes: Sequence[Episode], size: tuple[int, int]) -> list[Episode]:
    return [one for one in episodes if (one.way, one.shot) == size]


def _check_episodes(episodes: Sequence[Episode]) -> None:
    if not episodes:
        raise KShotValueError("`episodes` is empty; make some with kv.sample_episodes(data, ...).")
    seen = set()
    for one in episodes:
        if not isinstance(one, Episode) or one.pool != "test":
            raise KShotValueError(
                f"`episodes` must be test episodes; not {getattr(one, 'name', one)!r}. "
                f"Tuning episodes are drawn here."
            )
        if (one.way, one.shot, one.index) in seen:
            raise KShotValueError(
                f"`episodes` holds {one.name} of {one.way} way and {one.shot} shot twice."
            )
        seen.add((one.way, one.shot, one.index))


def _from_source(source: Any, episodes: Sequence[Episode], n_val: int) -> list[Episode]:
    seed = episodes[0].seed
    return [
        one
        for way, shot in _sizes(episodes)
        for one in sample_episodes(
            source, way=way, shot=shot, n=n_val, val_share=0.5, seed=seed, pool="val"
        )
    ]


def _labelled(source: Any) -> ImageDataset:
    if not isinstance(source, ImageDataset) or source.n_classes < 2:
        raise KShotValueError("tune='source' needs `source=`, a labelled ImageDataset.")
    return source

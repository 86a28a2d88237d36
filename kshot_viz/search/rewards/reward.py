"""The reward of a search: mean accuracy on small tasks without a query image of the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotValueError
from kshot_viz.records import record_digest

# Source images that form groups, at most.
FORMING = 200


@dataclass(frozen=True, eq=False)
class Reward:
    """Tasks whose mean accuracy is the reward, the same ones for every candidate.

    Attributes
    ----------
    name : str
        The protocol.
    data : ImageDataset
        The images of these tasks and no others.
    episodes : tuple of Episode
    source : ImageDataset or None
        Images that may form groups; none of them is a query of a task.
    target_labels : int
        Labels of the target domain that were used beyond the k of each class.
    note : str
        One sentence about the labels that were used.
    """

    name: str
    data: ImageDataset
    episodes: tuple[Episode, ...]
    source: ImageDataset | None = None
    target_labels: int = 0
    note: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.episodes:
            raise KShotValueError("A reward needs at least one episode.")
        queries = {self.data.digests[i] for one in self.episodes for i in one.query}
        if self.source is not None and queries & set(self.source.digests):
            raise KShotValueError("Images that form groups may not be queries of the reward.")

    @property
    def key(self) -> str:
        """A short digest of the tasks and of what forms the groups."""
        source = None if self.source is None else self.source.fingerprint
        record = [self.name, self.data.fingerprint, source, [e.to_dict() for e in self.episodes]]
        return record_digest(record)

    def to_dict(self) -> dict[str, Any]:
        """Return a summary of the protocol, printed and stored; plain JSON values."""
        first = self.episodes[0]
        return {
            "name": self.name,
            "key": self.key,
            "data": self.data.name,
            "episodes": len(self.episodes),
            "way": first.way,
            "shot": first.shot,
            "queries": len(first.query),
            "target_labels": self.target_labels,
            "note": self.note,
            **self.settings,
        }

    def __repr__(self) -> str:
        first = self.episodes[0]
        most = "at most " if any(one.queries_by_class for one in self.episodes) else ""
        return (
            f"Reward({self.name!r}: {len(self.episodes)} tasks of {self.data.name!r}, "
            f"{first.way}-way {first.shot}-shot, {most}{first.query_per_class} queries a class; "
            f"{self.target_labels} target labels beyond the k. {self.note})"
        )


def renumbered(
    data: ImageDataset, episodes: Sequence[Episode]
) -> tuple[ImageDataset, tuple[Episode, ...]]:
    """Return the images of some episodes as a set of their own, and the episodes on it."""
    used = sorted({i for one in episodes for i in (*one.support, *one.query)})
    position = {image: index for index, image in enumerate(used)}
    kept = data.take(np.asarray(used))
    made = tuple(
        replace(
            one,
            support=tuple(position[i] for i in one.support),
            query=tuple(position[i] for i in one.query),
            fingerprint=kept.fingerprint,
        )
        for one in episodes
    )
    return kept, made


def forming(
    source: ImageDataset | None, excluded: ImageDataset, n: int = FORMING
) -> ImageDataset | None:
    """Return at most ``n`` distinct source images that are not in ``excluded``, evenly spread."""
    if source is None:
        return None
    known = set(excluded.digests)
    first: dict[str, int] = {}
    for index, digest in enumerate(source.digests):
        if digest not in known:
            first.setdefault(digest, index)
    free = np.fromiter(first.values(), dtype=np.int64)
    if not free.size:
        return None
    return source.take(
        free[np.unique(np.linspace(0, free.size - 1, min(n, free.size)).astype(int))]
    )

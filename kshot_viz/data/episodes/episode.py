"""k-shot episodes as indices of support and query images, and files of episodes.

An episode is nothing but indices and the fingerprint of the data they belong to, so a file of
episodes gives the same task to every method on every machine.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.images import image_digests
from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.files import read_json, whole_file
from kshot_viz.text import counted

POOLS = ("test", "val")
SCHEMA = 2
_KIND = "kshot_viz.episodes"


@dataclass(frozen=True)
class Episode:
    """One k-shot task, as indices into a data set.

    Attributes
    ----------
    index : int
        Number of the episode within its pool.
    pool : str
        "test" or "val".
    classes : tuple of int
        The ``way`` class indices in the data set, ascending.
    support, query : tuple of int
        Image indices, class by class: ``way * shot`` and the sum of ``query_counts`` of them.
    way, shot, query_per_class : int
        Sizes of the task; a class that has fewer images has fewer queries.
    val_share : float
        Share of each class that belongs to the validation pool.
    seed : int
        Seed of the split and of the draw.
    data_name, fingerprint : str
        The data set these indices belong to.
    queries_by_class : tuple of int or None
        Queries of each class, in the order of ``classes``; None where all have
        ``query_per_class``.
    """

    index: int
    pool: str
    classes: tuple[int, ...]
    support: tuple[int, ...]
    query: tuple[int, ...]
    way: int
    shot: int
    query_per_class: int
    val_share: float
    seed: int
    data_name: str
    fingerprint: str
    queries_by_class: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.queries_by_class == (self.query_per_class,) * self.way:
            object.__setattr__(self, "queries_by_class", None)
        if self.pool not in POOLS:
            raise KShotValueError(f"`pool` must be one of {POOLS}; not {self.pool!r}.")
        _check_sizes(self)
        used = Counter((*self.support, *self.query))
        twice = sorted(image for image, count in used.items() if count > 1)
        if twice:
            raise KShotValueError(f"episode {self.name} uses the images {twice} twice.")

    def __repr__(self) -> str:
        return (
            f"Episode({self.name!r}: {self.way} classes of {self.data_name!r}, "
            f"{counted(self.shot, 'shot')}, {counted(len(self.query), 'query image')})"
        )

    @property
    def name(self) -> str:
        """Pool and number, for example ``"test/3"``."""
        return f"{self.pool}/{self.index}"

    @property
    def query_counts(self) -> tuple[int, ...]:
        """The number of queries of each class, in the order of ``classes`` and of ``query``."""
        return self.queries_by_class or (self.query_per_class,) * self.way

    def split(self, data: ImageDataset) -> tuple[ImageDataset, ImageDataset]:
        """Return support and query with the episode's classes as targets ``0..way-1``.

        Raises
        ------
        KShotValueError
            If ``data`` is not the data set the episode was drawn from.
        """
        self.check(data)
        return data.restrict(self.support, self.classes), data.restrict(self.query, self.classes)

    def check(self, data: ImageDataset) -> None:
        """Raise a KShotValueError unless the episode was drawn from ``data``."""
        if not isinstance(data, ImageDataset):
            raise KShotValueError(f"`data` must be an ImageDataset; not {type(data).__name__}.")
        if data.fingerprint != self.fingerprint:
            raise KShotValueError(
                f"episode {self.name} belongs to {self.data_name!r} with fingerprint "
                f"{self.fingerprint[:12]}; `data` is {data.name!r} with {data.fingerprint[:12]}."
            )
        expected = {"support": [self.shot] * self.way, "query": self.query_counts}
        for name, counts in expected.items():
            found = np.bincount(data.targets[list(getattr(self, name))], minlength=data.n_classes)
            wanted = np.zeros(data.n_classes, dtype=int)
            wanted[list(self.classes)] = counts
            if (found != wanted).any():
                raise KShotValueError(
                    f"the {name} images of episode {self.name} are not of the classes that it "
                    f"names: the file was edited, or the labels of {data.name!r}."
                )

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain JSON types; ``queries_by_class`` only where it is not None."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
            if value is not None
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Episode:
        """Rebuild an episode from :meth:`to_dict`; missing or odd fields are an error."""
        names = {f.name for f in fields(cls)}
        given = set(record) if isinstance(record, Mapping) else set()
        if not names - {"queries_by_class"} <= given <= names:
            found = sorted(given) if isinstance(record, Mapping) else type(record).__name__
            raise KShotValueError(f"an episode has the fields {sorted(names)}; not {found}.")
        return cls(**{key: _field(key, value) for key, value in record.items()})


def check_episodes(episodes: object) -> None:
    """Raise a KShotValueError unless this is a list of episodes."""
    if isinstance(episodes, (list, tuple)) and all(isinstance(one, Episode) for one in episodes):
        return
    raise KShotValueError(f"`episodes` must be a list of episodes; not {type(episodes).__name__}.")


def save_episodes(episodes: Sequence[Episode], path: str | Path) -> Path:
    """Write episodes as JSON and return the path; a line each, so that files can be compared."""
    check_episodes(episodes)
    lines = ",\n".join(json.dumps(episode.to_dict()) for episode in episodes)
    # What older versions can read keeps their schema.
    schema = SCHEMA if any(one.queries_by_class for one in episodes) else 1
    head = f'{{"schema": {schema}, "kind": "{_KIND}", "episodes": [\n'
    target = Path(path)
    with whole_file(target, called=repr(str(path))) as part:
        part.write_text(f"{head}{lines}\n]}}\n", encoding="utf-8")
    return target


def load_episodes(path: str | Path) -> list[Episode]:
    """Read episodes written by :func:`save_episodes`.

    Raises
    ------
    KShotFileError
        If the file is missing, cut off, of another kind, or of a newer schema.
    """
    document = read_json(path, called=f"The episodes file {path}")
    if not isinstance(document, dict) or document.get("kind") != _KIND:
        raise KShotFileError(f"{str(path)!r} holds no episodes of kshot_viz.")
    schema = document.get("schema")
    if isinstance(schema, bool) or schema not in range(1, SCHEMA + 1):
        raise KShotFileError(
            f"{str(path)!r} has schema {schema!r}; this version reads 1 to {SCHEMA}. "
            "Update kshot_viz, or sample the episodes again."
        )
    try:
        return [Episode.from_dict(record) for record in document["episodes"]]
    except (KeyError, TypeError, KShotValueError) as error:
        raise KShotFileError(f"{str(path)!r} holds a broken episode: {error}") from error


def _check_sizes(episode: Episode) -> None:
    counts = episode.query_counts
    expected = {
        "classes": episode.way,
        "support": episode.way * episode.shot,
        "query": sum(counts),
    }
    for key, size in expected.items():
        if len(getattr(episode, key)) != size:
            raise KShotValueError(
                f"episode {episode.name}: `{key}` must have {size} entries for {episode.way} way, "
                f"{episode.shot} shot, {_each(counts)} queries; not {len(getattr(episode, key))}."
            )
    if len(counts) != episode.way or not all(1 <= n <= episode.query_per_class for n in counts):
        raise KShotValueError(
            f"episode {episode.name}: `queries_by_class` must be {episode.way} numbers from 1 to "
            f"{episode.query_per_class}; not {list(counts)}."
        )


def _each(counts: Sequence[int]) -> str:
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low}" if low == high else f"{low} to {high}"


def _field(key: str, value: Any) -> Any:
    kinds: dict[str, type | tuple[type, ...]] = {"pool": str, "data_name": str, "fingerprint": str}
    kinds |= {"val_share": (int, float)}
    kinds |= dict.fromkeys(("classes", "support", "query", "queries_by_class"), list)
    wanted = kinds.get(key, int)
    entries = value if isinstance(value, (list, tuple)) else []
    odd = any(isinstance(e, bool) or not isinstance(e, int) for e in entries)
    if odd or isinstance(value, bool) or not isinstance(value, wanted):
        raise KShotValueError(f"`{key}` of an episode cannot be {value!r}.")
    return tuple(value) if isinstance(value, list) else value


def check_source(source: Any, data: ImageDataset, episodes: Iterable[Episode]) -> None:
    """Raise a KShotValueError if a source image is a query image of any episode.

    Parameters
    ----------
    source : image batch or None
    data : ImageDataset
        The data set the episodes were drawn from.
    episodes : iterable of Episode
    """
    if source is None:
        return
    queries = _query_digests(data, episodes)
    digests = image_digests(source)
    shared = sum(one in queries for one in digests)
    if shared:
        raise KShotValueError(
            f"{shared} of the {len(digests)} `source` images are query images of the episodes. "
            f"Groups may not be formed from images that are used for scoring."
        )


def without_queries(
    source: ImageDataset, data: ImageDataset, episodes: Iterable[Episode]
) -> ImageDataset:
    """Return the source images that are no query image of any episode."""
    queries = _query_digests(data, episodes)
    kept = [index for index, one in enumerate(source.digests) if one not in queries]
    return source if len(kept) == len(source) else source.take(kept)


def _query_digests(data: ImageDataset, episodes: Iterable[Episode]) -> set[str]:
    return {data.digests[index] for episode in episodes for index in episode.query}

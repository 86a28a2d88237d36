"""Draw episodes: an image-disjoint split of each class, then k shots and queries from one pool.

Each class is split once into a test pool and a validation pool. Exact copies of an image count as
that one image and only its first occurrence is ever drawn, so none is in both support and query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import POOLS, Episode, check_episodes
from kshot_viz.errors import KShotValueError
from kshot_viz.seeds import numpy_rng
from kshot_viz.text import counted

# Queries of a class below which an accuracy says little about that class.
MIN_QUERY = 5
MOST_EPISODES = 100_000


def sample_episodes(
    data: ImageDataset,
    *,
    way: int | None,
    shot: int,
    query: int = 15,
    n: int = 20,
    val_share: float = 0.4,
    seed: int = 0,
    pool: str = "test",
    min_query: int = MIN_QUERY,
) -> list[Episode]:
    """Draw ``n`` episodes; only indices are made, no image is touched.

    Episode i depends on the data, ``seed``, ``pool`` and i alone: 20 episodes are the first 20 of
    50. With the same number of queries, episodes of more shots have the same classes and queries,
    and contain the support of those of fewer.

    Parameters
    ----------
    data : ImageDataset
        The images to draw from.
    way : int or None
        Classes per episode; None for all of them.
    shot : int
        Labelled images per class; with 0 there is a description of each class at most, see
        :class:`kshot_viz.words.HeadFromWords`.
    query : int, default 15
        Upper limit of query images per class. A class that has fewer images has fewer queries:
        what its smaller pool leaves after the shots. An accuracy is then the mean over classes.
    n : int, default 20
        Number of episodes.
    val_share : float, default 0.4
        Share of each class held out for validation; 0 for none.
    seed : int, default 0
        Seed of the split and of the draw.
    pool : {"test", "val"}
        Which side of the split to draw from.
    min_query : int, default 5
        Fewer query images of any class than this (or than ``query``, if that is less) are an
        error; ``--min-query`` on the command line.

    Returns
    -------
    list of Episode

    Raises
    ------
    KShotValueError
        If a number is out of range or a class has too few images; names the class and the counts.
    """
    if not isinstance(data, ImageDataset):
        raise KShotValueError(f"`data` must be an ImageDataset; not {type(data).__name__}.")
    way = data.n_classes if way is None else way
    _check_request(data, way, shot, query, n, val_share, pool, min_query)
    pools = _split(data, val_share, seed)
    used = _query_counts(data, pools, shot, query, min(query, min_query))
    common: dict[str, Any] = {"way": int(way), "shot": int(shot), "query_per_class": max(used)}
    common |= {"val_share": float(val_share), "seed": int(seed)}
    common |= {"data_name": data.name, "fingerprint": data.fingerprint}
    draws = (_draw(pools[pool], way, shot, used, seed, pool, index) for index in range(n))
    return [
        Episode(
            index=i,
            pool=pool,
            classes=classes,
            support=support,
            query=queries,
            queries_by_class=tuple(used[c] for c in classes),
            **common,
        )
        for i, (classes, support, queries) in enumerate(draws)
    ]


def validation_episodes(
    data: ImageDataset, episodes: Sequence[Episode], n: int = 6
) -> list[Episode]:
    """Draw ``n`` tasks like ``episodes`` from the images that none of those may use.

    Raises
    ------
    KShotValueError
        If the episodes kept nothing for validation, differ among themselves, or are not of
        ``data``.
    """
    like = _common_request(episodes)
    like.check(data)
    if like.val_share == 0:
        raise KShotValueError(
            "these episodes have `val_share=0`: no image is left for validation. "
            'Sample them with `val_share`, for example 0.4, or use tune="source".'
        )
    drawn = sample_episodes(
        data,
        way=like.way,
        shot=like.shot,
        query=like.query_per_class,
        n=n,
        val_share=like.val_share,
        seed=like.seed,
        pool="val",
        # How few queries of a class suffice was said when the episodes were drawn.
        min_query=1,
    )
    _check_disjoint(episodes, drawn)
    return drawn


def _check_disjoint(episodes: Sequence[Episode], drawn: Sequence[Episode]) -> None:
    """Episodes of a file may be split otherwise: by hand, or by an earlier version."""
    of_test = [one for one in episodes if one.pool == "test"]
    used, kept = ({i for e in each for i in (*e.support, *e.query)} for each in (of_test, drawn))
    if shared := used & kept:
        raise KShotValueError(
            f"{len(shared)} images are in tuning and in test episodes: these were not drawn by "
            f"this version's kv.sample_episodes(data, val_share=..., seed=...). Draw them again, "
            f"or use tune='source'."
        )


def distinct_images(episodes: Sequence[Episode]) -> int:
    """Count the different images that the episodes use, as support or as query."""
    return len({i for episode in episodes for i in (*episode.support, *episode.query)})


def query_reuse(episodes: Sequence[Episode]) -> float:
    """Return how often a query image is used on average; 1.0 means no query is used twice."""
    used = [i for episode in episodes for i in episode.query]
    return len(used) / len(set(used)) if used else 0.0


def _split(data: ImageDataset, val_share: float, seed: int) -> dict[str, list[np.ndarray]]:
    """Split the distinct images of each class into the pools; without a share only one."""
    first = {d: i for i, d in reversed(list(enumerate(data.digests)))}
    distinct = np.sort(np.fromiter(first.values(), dtype=np.int64, count=len(first)))
    pools: dict[str, list[np.ndarray]] = {side: [] for side in POOLS}
    for c in range(data.n_classes):
        members = distinct[data.targets[distinct] == c]
        rng = numpy_rng(seed, "pools", data.pixel_fingerprint, float(val_share), c)
        mixed = rng.permutation(members)
        kept = round(val_share * len(members))
        pools["val"].append(np.sort(mixed[:kept]))
        pools["test"].append(np.sort(mixed[kept:]))
    return pools if val_share > 0 else {"test": pools["test"]}


def _query_counts(
    data: ImageDataset,
    pools: Mapping[str, list[np.ndarray]],
    shot: int,
    query: int,
    least: int,
) -> list[int]:
    """Return the queries of each class: the same in both pools, so that tuning tasks are alike."""
    sizes = ((len(m), c, side) for side, members in pools.items() for c, m in enumerate(members))
    size, c, side = min(sizes)
    if size - shot < least:
        raise _too_few(data, pools, c, side, shot, least)
    smaller = (min(map(len, own)) for own in zip(*pools.values(), strict=True))
    return [min(query, size - shot) for size in smaller]


def _too_few(
    data: ImageDataset,
    pools: Mapping[str, list[np.ndarray]],
    c: int,
    side: str,
    shot: int,
    least: int,
) -> KShotValueError:
    test, val = (len(pools[pool][c]) if pool in pools else 0 for pool in POOLS)
    total = int((data.targets == c).sum())
    queries = "query" if least == 1 else "queries"
    return KShotValueError(
        f"class {data.classes[c]!r} of {data.name!r} has {total} images, "
        f"{test + val} of them different: {test} in the test pool, {val} in the validation pool. "
        f"{counted(shot, 'shot')} + at least {least} {queries} need {shot + least} in "
        f"the {side} pool{_others(pools, shot + least)}: "
        f"{', '.join(_cures(len(pools[side][c]), shot, least, split=len(pools) > 1))}."
    )


def _others(pools: Mapping[str, list[np.ndarray]], needed: int) -> str:
    sizes = zip(*(map(len, members) for members in pools.values()), strict=True)
    short = sum(min(own) < needed for own in sizes)
    return f" ({short} classes have too few)" if short > 1 else ""


def _cures(size: int, shot: int, least: int, *, split: bool) -> list[str]:
    """Return what would help a class with ``size`` images in its smaller pool."""
    cures = []
    if size > least:
        cures.append(f"use fewer shots (at most {size - least})")
    if size > shot:
        cures.append(f"ask for fewer queries (`query`, at most {size - shot})")
        cures.append(f"accept fewer of such a class (`min_query={size - shot}`, --min-query)")
    if split:
        cures.append('another `val_share`, or `val_share=0` with tune="source"')
    return [*cures, "leave the class out" if not cures else "or leave the class out"]


def _draw(
    members: list[np.ndarray],
    way: int,
    shot: int,
    query: Sequence[int],
    seed: int,
    pool: str,
    index: int,
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    rng = numpy_rng(seed, "episode", pool, index)
    classes = sorted(rng.permutation(len(members))[:way].tolist())
    support: list[int] = []
    queries: list[int] = []
    for c in classes:
        # A stream per class: the draw of one class does not depend on which others were drawn.
        mixed = numpy_rng(seed, "episode", pool, index, c).permutation(members[c]).tolist()
        support += mixed[:shot]
        queries += mixed[len(mixed) - query[c] :]
    return tuple(classes), tuple(support), tuple(queries)


def _common_request(episodes: Sequence[Episode]) -> Episode:
    check_episodes(episodes)
    if not episodes:
        raise KShotValueError("`episodes` is empty; at least one episode is needed.")
    keys = ("way", "shot", "query_per_class", "val_share", "seed", "fingerprint")
    if len({tuple(getattr(e, key) for key in keys) for e in episodes}) > 1:
        raise KShotValueError(f"`episodes` must agree in {', '.join(keys)}; these differ.")
    return episodes[0]


def _check_request(
    data: ImageDataset,
    way: int,
    shot: int,
    query: int,
    n: int,
    val_share: float,
    pool: str,
    min_query: int,
) -> None:
    counts = {"way": way, "shot": shot, "query": query, "n": n, "min_query": min_query}
    for name, value in counts.items():
        least = 0 if name == "shot" else 1
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise KShotValueError(f"`{name}` must be an integer >= {least}; not {value!r}.")
    if n > MOST_EPISODES:
        raise KShotValueError(f"`n` must be at most {MOST_EPISODES:,} episodes; not {n:,}.")
    if not 2 <= way <= data.n_classes:
        raise KShotValueError(
            f"`way` must be 2..{data.n_classes}, the classes of {data.name!r}; not {way}."
        )
    if not isinstance(pool, str) or pool not in POOLS:
        raise KShotValueError(f"`pool` must be one of {POOLS}; not {pool!r}.")
    number = isinstance(val_share, (int, float, np.number)) and not isinstance(val_share, bool)
    if not number or not 0 <= val_share < 1:
        raise KShotValueError(f"`val_share` must lie in [0, 1); not {val_share!r}.")
    if pool == "val" and val_share == 0:
        raise KShotValueError('`pool="val"` needs `val_share` > 0; it is 0.')

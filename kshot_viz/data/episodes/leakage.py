"""The guard against leakage: no image that groups are formed from is a query of an episode."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.data.images import image_digests
from kshot_viz.errors import KShotValueError


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

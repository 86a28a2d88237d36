"""k-shot episodes: the class, drawing them, their files, the guard against leakage."""

from __future__ import annotations

from kshot_viz.data.episodes.episode import POOLS, Episode, load_episodes, save_episodes
from kshot_viz.data.episodes.sampling import (
    MIN_QUERY,
    distinct_images,
    query_reuse,
    sample_episodes,
    validation_episodes,
)

__all__ = [
    "MIN_QUERY",
    "POOLS",
    "Episode",
    "distinct_images",
    "load_episodes",
    "query_reuse",
    "sample_episodes",
    "save_episodes",
    "validation_episodes",
]

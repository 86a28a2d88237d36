"""Choosing settings on the k labelled images themselves: folds that leave some of them out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kshot_viz.data.episodes.episode import Episode

MOST_FOLDS = 5


def support_folds(episode: Episode, most: int = MOST_FOLDS) -> list[Episode]:
    """Return episodes that train on a part of the support and are scored on the rest.

    Each fold leaves out one image of every class, or ``shot / most`` of them where there are more
    images than folds.

    Parameters
    ----------
    episode : Episode
        A test episode. Its queries are not used.
    most : int
        Folds at most.

    Returns
    -------
    list of Episode
        Tuning episodes, numbered from 0. None at one image a class, which leaves nothing to train
        on.
    """
    if episode.shot < 2:
        return []
    by_class = np.array(episode.support).reshape(episode.way, episode.shot)
    left_out = np.array_split(np.arange(episode.shot), min(most, episode.shot))
    return [
        replace(
            episode,
            index=fold,
            pool="val",
            support=tuple(np.delete(by_class, out, axis=1).ravel().tolist()),
            query=tuple(by_class[:, out].ravel().tolist()),
            shot=episode.shot - len(out),
            query_per_class=len(out),
            queries_by_class=None,
        )
        for fold, out in enumerate(left_out)
    ]

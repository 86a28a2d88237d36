"""Group explorer of the best candidate that a search found."""

from __future__ import annotations

import copy

from kshot_viz.activations import capture_activations
from kshot_viz.errors import KShotValueError
from kshot_viz.search.result import SearchResult
from kshot_viz.widgets.explorer.group_explorer import GroupExplorer


def with_own_network(found: SearchResult) -> SearchResult:
    """Return the result with a copy of its network, for a thread to run.

    Hooks that are set on the original meanwhile, to capture activations for example, must not see
    these images. A copy keeps the hooks of its time, so it is made in the thread that sets them.
    """
    if found.backbone is None or found.reward is None:
        return found
    return found.with_parts(copy.deepcopy(found.backbone), found.reward)


def explorer_of(found: SearchResult) -> GroupExplorer:
    """Return the best candidate of a search in a :class:`GroupExplorer`.

    It is scored on all tasks of the reward with the candidate's settings, so the score of the
    groups as given is the reward that the search reports. A thread must be given a copy of the
    network: see :func:`with_own_network`.
    """
    backbone, reward = found.backbone, found.reward
    if backbone is None or reward is None:
        raise KShotValueError(
            "A search that was attached by its storage has no network to show groups of; give a "
            "monitor the GroupSearch itself."
        )
    best = found.bound()
    if best.grouping is None:
        raise KShotValueError("The best point so far groups no neurons, so there is none to show.")
    support = reward.episodes[0].split(reward.data)[0]
    images = support if reward.source is None else reward.source
    return GroupExplorer(
        backbone,
        capture_activations(backbone, images, pool=found.space.pool),
        best,
        images,
        episodes=reward.episodes,
        data=reward.data,
        n_episodes=len(reward.episodes),
        seed=int(found.manifest["seed"]),
    )

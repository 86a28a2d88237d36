"""The groups that an explorer begins with: a grouping, or what a rule makes in an episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import check_source
from kshot_viz.errors import KShotValueError
from kshot_viz.evaluate.evaluate import bind
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule

if TYPE_CHECKING:
    from kshot_viz.data.episodes.episode import Episode
    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, eq=False)
class GivenGroups:
    """What is shown first, and what is scored as it was given.

    Attributes
    ----------
    shown : Grouping
    scored : Grouping or GroupingRule
        A rule forms groups in every scored episode; ``shown`` are those of the first one.
    candidate : Candidate or None
        The settings that came with the groups.
    """

    shown: Grouping
    scored: Grouping | GroupingRule
    candidate: Candidate | None = None

    def edited(self, now: Grouping) -> Grouping | GroupingRule:
        """Return what is scored once the groups that are shown were edited."""
        if isinstance(self.scored, Grouping):
            return now
        return self.scored.edited(self.shown, now)


def given_groups(
    backbone: Backbone,
    given: Grouping | GroupingRule | Candidate,
    images: Any,
    episodes: Sequence[Episode],
    data: ImageDataset | None,
    *,
    seed: int,
) -> GivenGroups:
    """Return the groups to begin with, formed as :func:`kshot_viz.evaluate` forms them.

    Parameters
    ----------
    backbone : Backbone
    given : Grouping, GroupingRule or Candidate
    images : image batch
        The source, where groups come from one.
    episodes : sequence of Episode
        The support of the first one forms groups, where a rule asks for that.
    data : ImageDataset or None
        What the episodes were drawn from.
    seed : int
        As in :func:`kshot_viz.evaluate`.

    Raises
    ------
    KShotValueError
        If the candidate groups nothing, an image of the source is a query, or there is no episode
        for a rule to form groups in.
    """
    if isinstance(given, Grouping):
        given.check(backbone)
        return GivenGroups(given, given)
    candidate = given if isinstance(given, Candidate) else Candidate(given)
    if candidate.grouping is None:
        raise KShotValueError(
            f"The candidate {candidate.name!r} groups no neurons, so there are no groups to show."
        )
    candidate = _bound(backbone, candidate, images, episodes, data, seed)
    rule = candidate.grouping
    own = candidate if isinstance(given, Candidate) else None
    if isinstance(rule, Grouping):
        return GivenGroups(rule, rule, own)
    if not episodes or data is None:
        raise KShotValueError(
            "Each episode's support forms these groups: give `episodes=` and `data=`, the images "
            "that they were drawn from."
        )
    assert rule is not None
    support = episodes[0].split(data)[0]
    shown = rule.in_episode(backbone, support, name=episodes[0].name, seed=seed)
    return GivenGroups(shown, rule, own)


def _bound(
    backbone: Backbone,
    candidate: Candidate,
    images: Any,
    episodes: Sequence[Episode],
    data: ImageDataset | None,
    seed: int,
) -> Candidate:
    """Make the groups that are the same in every episode."""
    rule = candidate.grouping
    source = None
    if isinstance(rule, GroupingRule) and "source" in rule.unmade(backbone):
        source = images
        if data is not None:
            check_source(source, data, episodes)
    return bind(backbone, [candidate], source, seed)[0]

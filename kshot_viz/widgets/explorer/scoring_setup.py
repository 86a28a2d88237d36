"""Episodes and setting that an explorer scores groups with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.errors import KShotError
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import resolve_method
from kshot_viz.methods.slots import layer_steps
from kshot_viz.study.searches.rescoring import GROUPED, Rescoring, rescoring
from kshot_viz.widgets.explorer.given_groups import GivenGroups

if TYPE_CHECKING:
    from kshot_viz.activations import Activations
    from kshot_viz.data.episodes.episode import Episode
    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.comparison import Comparison

NO_EPISODES = "Give `episodes=` or `table=` to score the groups on k-shot episodes."


@dataclass(frozen=True, eq=False)
class Task:
    """What an explorer was given to score on.

    Attributes
    ----------
    episodes : tuple of Episode
        None of them where nothing is scored.
    data : ImageDataset or None
        The images that they were drawn from.
    """

    episodes: tuple[Episode, ...]
    data: ImageDataset | None

    @classmethod
    def of(
        cls,
        images: Any,
        episodes: Sequence[Episode] | None,
        data: ImageDataset | None,
        table: Comparison | None,
    ) -> Task:
        """Return it; the episodes' images are ``data``, ``images`` or the table's."""
        if not episodes and table is not None:
            episodes = [one for one in table.episodes.values() if one.pool == "test"]
        chosen = tuple(episodes or ())
        for known in (data, images, getattr(table, "data", None)):
            same = isinstance(known, ImageDataset) and chosen
            if same and getattr(known, "fingerprint", "") == chosen[0].fingerprint:
                return cls(chosen, known)
        return cls(chosen, data)


@dataclass(frozen=True, eq=False)
class ScoringSetup:
    """Episodes and setting that groupings are scored with, or why that is not possible.

    Attributes
    ----------
    rescoring : Rescoring or None
    why_not : str
        Empty where it is possible.
    note : str
        Shown beside every score.
    seen : frozenset of str
        Digests of the images that edits are made by; queries among them do not count.
    """

    rescoring: Rescoring | None
    why_not: str = ""
    note: str = ""
    seen: frozenset[str] = field(default=frozenset(), repr=False)
    _steps: dict[tuple[str, ...], dict[str, float]] = field(default_factory=dict, repr=False)

    @property
    def support(self) -> Any:
        """The k shots of the first episode, or None."""
        if self.rescoring is None:
            return None
        return self.rescoring.episodes[0].split(self.rescoring.data)[0]

    @property
    def config(self) -> FinetuneConfig:
        """The setting."""
        return FinetuneConfig() if self.rescoring is None else self.rescoring.config

    @property
    def method(self) -> Method:
        """The method that shares the gradients."""
        return resolve_method(GROUPED) if self.rescoring is None else self.rescoring.method

    def steps(self, grouping: Grouping) -> dict[str, float]:
        """Return what each layer's step size is multiplied by, 0 for a frozen one.

        Empty where the settings do not fit the network: scoring says so.
        """
        if self.rescoring is None:
            return {}
        layers, network = tuple(grouping), self.rescoring.backbone
        if layers not in self._steps:
            try:
                plans = self.rescoring.method.plan(network, layers, self.config)
                self._steps[layers] = layer_steps(network, plans, self.config)
            except KShotError:
                self._steps[layers] = {}
        return self._steps[layers]


def scoring_setup(
    backbone: Backbone,
    activations: Activations,
    images: Any,
    task: Task,
    given: GivenGroups,
    *,
    table: Comparison | None,
    config: FinetuneConfig | None,
    keep: bool = True,
    **options: Any,
) -> ScoringSetup:
    """Return the setup.

    Parameters
    ----------
    backbone : Backbone
    activations : Activations
    images : image batch
        Where the activations are of these, edits are made by them.
    task : Task
    given : GivenGroups
    table : Comparison or None
    config : FinetuneConfig or None
    keep : bool
        The settings that came with the groups count more than the table's.
    **options
        As in :func:`kshot_viz.study.searches.rescoring.rescoring`.
    """
    if not task.episodes and table is None:
        return ScoringSetup(None, NO_EPISODES)
    own = given.candidate
    settings = own if keep and config is None else None
    name = GROUPED if own is None else own.name
    options |= {"table": table, "candidate": settings, "config": config, "name": name}
    try:
        found = rescoring(backbone, task.episodes or None, data=task.data, **options)
    except KShotError as error:
        return ScoringSetup(None, str(error))
    seen = _seen(found, activations, images, given)
    queries = {found.data.digests[i] for one in found.episodes for i in one.query}
    notes = [f"{found.setting} ({found.config.summary})"]
    if queries <= seen:
        seen = frozenset()
        notes.append(
            "groups cut here come from images that are queries of these episodes, so the score is "
            "too good"
        )
    elif not isinstance(given.scored, Grouping):
        notes.append("as given: groups from the support of each episode")
    return ScoringSetup(found, note="; ".join(notes), seen=seen & queries)


def _seen(
    found: Rescoring, activations: Activations, images: Any, given: GivenGroups
) -> frozenset[str]:
    """Return the digests of the images that edits of the groups are made by."""
    seen: set[str] = set()
    if isinstance(images, ImageDataset) and activations.n_images == len(images):
        seen |= set(images.digests)
    if not isinstance(given.scored, Grouping):
        seen |= {found.data.digests[image] for image in found.episodes[0].support}
    return frozenset(seen)

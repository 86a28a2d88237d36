"""Whether and how a :class:`GroupExplorer` can score an edited grouping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.leakage import check_source
from kshot_viz.errors import KShotError
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.study.rescoring import Rescoring, rescoring

if TYPE_CHECKING:
    from kshot_viz.activations import Activations
    from kshot_viz.data.episodes.episode import Episode
    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.comparison import Comparison

NO_EPISODES = "Give `episodes=` or `table=` to score the groups on k-shot episodes."


@dataclass(frozen=True, eq=False)
class Scoring:
    """What scoring needs, or why it is not possible.

    Attributes
    ----------
    rescoring : Rescoring or None
    why_not : str
        Empty where it is possible.
    note : str
        What must stand beside every score.
    """

    rescoring: Rescoring | None
    why_not: str = ""
    note: str = ""

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


def scoring(
    backbone: Backbone,
    activations: Activations,
    images: Any,
    episodes: Sequence[Episode] | None,
    *,
    data: ImageDataset | None,
    table: Comparison | None,
    **options: Any,
) -> Scoring:
    """Prepare scoring; the episodes' images are ``data``, ``images`` or the table's."""
    if not episodes and table is None:
        return Scoring(None, NO_EPISODES)
    if data is None and isinstance(images, ImageDataset) and episodes:
        data = images if images.fingerprint == episodes[0].fingerprint else None
    try:
        found = rescoring(backbone, episodes or None, data=data, table=table, **options)
    except KShotError as error:
        return Scoring(None, str(error))
    return Scoring(found, note="; ".join(_notes(found, activations, images)))


def _notes(found: Rescoring, activations: Activations, images: Any) -> list[str]:
    """Return what the reader must know: the setting, and groups formed from query images."""
    notes = [found.setting]
    seen = isinstance(images, ImageDataset) and activations.n_images == len(images)
    if seen:
        try:
            check_source(images, found.data, found.episodes)
        except KShotError:
            notes.append(
                "groups cut here come from images that are queries of these episodes, so the score "
                "is too good"
            )
    return notes

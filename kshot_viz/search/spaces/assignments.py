"""The space of group assignments: which branches of each layer's dendrogram are split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.clustering.branches import Branches
from kshot_viz.grouping.clustering.cluster_cache import ClusteredLayer
from kshot_viz.grouping.clustering.methods import NESTED
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.records import plain
from kshot_viz.search.spaces.base import MULTIPLES, Space, searched_settings

if TYPE_CHECKING:
    from kshot_viz.activations import Activations
    from kshot_viz.models.backbone import Backbone

KEEP, SPLIT = "keep", "split"


@dataclass(frozen=True)
class AssignmentSpace(Space):
    """For each branch from the root down: split it, or keep it as one group.

    Points that differ only below a branch that is kept have equal candidates.

    Attributes
    ----------
    layers : mapping of str to Branches
    step_size : tuple of float
        Multipliers of ``config.lr``; 0 freezes the layer.
    settings : mapping of str to tuple
        Fields of :class:`FinetuneConfig` that are searched too, with their values.
    config : FinetuneConfig
        Everything that is not searched.
    frozen : tuple of str
        The network's other layers.
    pool : str
        How activations were pooled; for the record.
    """

    kind: ClassVar[str] = "assignments"
    layers: Mapping[str, Branches]
    step_size: tuple[float, ...] = MULTIPLES
    settings: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    config: FinetuneConfig = field(default_factory=FinetuneConfig)
    frozen: tuple[str, ...] = ()
    pool: str = "grid"

    @classmethod
    def of(
        cls,
        backbone: Backbone,
        activations: Activations,
        *,
        layers: Sequence[str] | None = None,
        depth: int = 15,
        method: str = "ward",
        dead: str = "separate",
        step_size: Sequence[float] = MULTIPLES,
        settings: Mapping[str, Sequence[Any]] | None = None,
        config: FinetuneConfig | None = None,
        seed: int = 0,
    ) -> Self:
        """Return the space over some layers' dendrograms.

        Parameters
        ----------
        backbone : Backbone
        activations : Activations
            On source images, say; they must not be queries of anything that is scored.
        layers : sequence of str, optional
            Layers that are searched, all captured ones by default; all others are frozen.
        depth : int
            Number of branches of a layer that may be split, from the root down.
        method : {"ward", "average", "correlation"}
        dead, seed
            As in :func:`kshot_viz.cluster_neurons`.
        step_size, config
            As the attributes.
        settings : mapping, optional
            As the attribute; by default step sizes of body and head, unless ``config`` fixes them.

        Raises
        ------
        KShotKeyError
            For a layer that was not captured or is not the network's, or a method without a
            dendrogram.
        KShotValueError
            For a depth below 1.
        """
        if method not in NESTED:
            raise unknown_name("method", method, NESTED)
        if isinstance(depth, bool) or depth < 1:
            raise KShotValueError(f"`depth` must be a number of branches >= 1; not {depth!r}.")
        chosen = list(layers if layers is not None else activations)
        made = {}
        for name in chosen:
            backbone.layer(name)
            layer = activations.layer(name)
            clustered = ClusteredLayer(layer, name, method=method, dead=dead, seed=seed)
            made[name] = Branches.of(clustered, depth)
        searched = searched_settings(settings, config)
        others = tuple(name for name in backbone.layers if name not in made)
        config = config or FinetuneConfig()
        return cls(made, tuple(step_size), searched, config, others, activations.pool)

    def _layer_values(self) -> dict[str, tuple[Any, ...]]:
        found: dict[str, tuple[Any, ...]] = {}
        for layer, branches in self.layers.items():
            found[f"{layer}/step_size"] = self.step_size
            found |= {f"{layer}/{name}": (KEEP, SPLIT) for name in _names(branches)}
        return found

    def _grouping(self, point: Mapping[str, Any], trained: Sequence[str]) -> Grouping:
        rows, dead = {}, {}
        for layer in trained:
            branches = self.layers[layer]
            split = [point[f"{layer}/{name}"] == SPLIT for name in _names(branches)]
            rows[layer] = branches.labels(split)
            dead[layer] = None if branches.dead is None else int(rows[layer].max())
        return Grouping(rows, dead=dead)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; ``kind`` names the class of the space."""
        layers = {name: plain(vars(one)) for name, one in self.layers.items()}
        return super().to_dict() | {"layers": layers}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild a space from :meth:`to_dict`."""
        space = super().from_dict(record)
        records: Mapping[str, Any] = space.layers
        layers = {name: Branches(**branches) for name, branches in records.items()}
        return replace(space, layers=layers)


def _names(branches: Branches) -> list[str]:
    return [f"branch {number}" for number in range(len(branches.splits))]

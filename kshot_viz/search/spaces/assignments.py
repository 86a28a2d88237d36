"""The space in which the assignments themselves are learned: split a branch, or keep it whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.clustering.branches import Branches
from kshot_viz.grouping.clustering.cluster_cache import ClusteredLayer
from kshot_viz.grouping.clustering.methods import NESTED
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.records import plain
from kshot_viz.search.spaces.base import (
    MULTIPLES,
    Space,
    check_settings,
    searched_settings,
    setting_values,
    settings_of,
)

if TYPE_CHECKING:
    from kshot_viz.activations import Activations
    from kshot_viz.models.backbone import Backbone

KEEP, SPLIT = "keep", "split"


@dataclass(frozen=True)
class AssignmentSpace(Space):
    """The choices of a walk down each layer's dendrogram: split a branch, or keep it as one group.

    Points that differ only below a branch that is kept are one candidate.

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

    layers: Mapping[str, Branches]
    step_size: tuple[float, ...] = MULTIPLES
    settings: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    config: FinetuneConfig = field(default_factory=FinetuneConfig)
    frozen: tuple[str, ...] = ()
    pool: str = "grid"

    def __post_init__(self) -> None:
        check_settings(self.settings)

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

    @property
    def values(self) -> dict[str, tuple[Any, ...]]:
        """Parameter -> values: for each layer its step size and its branches, settings last."""
        found: dict[str, tuple[Any, ...]] = {}
        for layer, branches in self.layers.items():
            found[f"{layer}/step_size"] = self.step_size
            found |= {f"{layer}/{name}": (KEEP, SPLIT) for name in _names(branches)}
        return found | setting_values(self.settings)

    def candidate(self, parameters: Mapping[str, Any], *, name: str = "searched") -> Candidate:
        """Return what a point of the space stands for.

        Parameters
        ----------
        parameters : mapping
            Parameter -> value.
        name : str
            The candidate's name in tables.
        """
        whole = self.complete(parameters)
        steps = {layer: whole[f"{layer}/step_size"] for layer in self.layers}
        multiples = {layer: step for layer, step in steps.items() if step != 1}
        config = self.config.but(
            **settings_of(whole), layer_lr={**multiples, **dict.fromkeys(self.frozen, 0.0)}
        )
        if not any(steps.values()):
            return Candidate(None, config.but(layer_lr={}), method="head_only", name=name)
        moving = [layer for layer, step in steps.items() if step]
        return Candidate(self._grouping(whole, moving), config, name=name)

    def _grouping(self, whole: Mapping[str, Any], layers: Sequence[str]) -> Grouping:
        rows, dead = {}, {}
        for layer in layers:
            branches = self.layers[layer]
            split = [whole[f"{layer}/{name}"] == SPLIT for name in _names(branches)]
            rows[layer] = branches.labels(split)
            dead[layer] = None if branches.dead is None else int(rows[layer].max())
        return Grouping(rows, dead=dead)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return plain(
            {
                "kind": "assignments",
                "layers": {name: dict(vars(one)) for name, one in self.layers.items()},
                "step_size": self.step_size,
                "settings": dict(self.settings),
                "config": self.config.to_dict(),
                "frozen": self.frozen,
                "pool": self.pool,
            }
        )

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild a space."""
        layers = {
            name: Branches(
                tuple(one["parts"]),
                one["dead"],
                tuple((tuple(left), tuple(right)) for left, right in one["splits"]),
            )
            for name, one in record["layers"].items()
        }
        return cls(
            layers,
            tuple(record["step_size"]),
            {name: tuple(values) for name, values in record["settings"].items()},
            FinetuneConfig.from_dict(record["config"]),
            tuple(record["frozen"]),
            record["pool"],
        )


def _names(branches: Branches) -> list[str]:
    return [f"branch {place}" for place in range(len(branches.splits))]

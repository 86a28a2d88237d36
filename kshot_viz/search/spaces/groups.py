"""The space of grouping rules: number of groups, bounds, source and step size of each layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.search.spaces.base import (
    MULTIPLES,
    SETTINGS,
    Space,
    check_values,
    searched_settings,
)

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

# Share of the width, from one group (0) to singletons (1).
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
CHOICES: dict[str, tuple[Any, ...]] = {
    "n_groups": SHARES,
    "max_within": (None, 0.5, 0.25),
    "min_between": (None, 0.02, 0.1),
    "groups_from": ("source", "support", "weights"),
    "step_size": MULTIPLES,
}


@dataclass(frozen=True)
class GroupSpace(Space):
    """Choices for each layer, and optionally for settings of the whole run.

    A point of the space is a mapping of ``"layer/choice"`` to a value. Head only, last block, plain
    fine-tuning, groups of a fixed share and surgical fine-tuning (Lee et al., ICLR 2023) are points
    of it; see :meth:`point`. Layers that are frozen or whose neurons are all singletons share no
    gradient, so points that differ there only have equal candidates.

    Attributes
    ----------
    layers : mapping of str to mapping
        Layer -> choice -> values: ``n_groups`` (share of the width, 0 for one group, 1 for
        singletons), ``max_within`` and ``min_between`` (quantiles or None, as in
        :func:`kshot_viz.cluster_neurons`), ``groups_from`` and ``step_size`` (multiplier of
        ``config.lr``; 0 freezes the layer).
    settings : mapping of str to tuple
        Fields of :class:`FinetuneConfig` that are searched too, with their values.
    config : FinetuneConfig
        Everything that is not searched.
    method, pool : str
        How neurons are clustered, as in :class:`GroupingRule`.
    """

    kind: ClassVar[str] = "groups"
    layers: Mapping[str, Mapping[str, tuple[Any, ...]]]
    settings: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    config: FinetuneConfig = field(default_factory=FinetuneConfig)
    method: str = "ward"
    pool: str = "grid"

    def __post_init__(self) -> None:
        for layer, choices in self.layers.items():
            for name in CHOICES:
                if name not in choices:
                    raise KShotValueError(f"Layer {layer!r} of the space has no {name!r}.")
            for name, values in choices.items():
                if name not in CHOICES:
                    raise unknown_name("choice", name, CHOICES)
                check_values(f"{layer}/{name}", values)
        super().__post_init__()

    @classmethod
    def of(
        cls,
        backbone: Backbone,
        *,
        source: bool = True,
        layers: Sequence[str] | None = None,
        settings: Mapping[str, Sequence[Any]] | None = None,
        config: FinetuneConfig | None = None,
        method: str = "ward",
        pool: str = "grid",
        **choices: Sequence[Any],
    ) -> Self:
        """Return the space of a network's groupable layers.

        Parameters
        ----------
        backbone : Backbone
        source : bool
            Whether there are source images that may form groups.
        layers : sequence of str, optional
            Layers that are searched; all others are frozen.
        settings : mapping, optional
            As the attribute; by default step sizes of body and head, unless ``config`` fixes them.
        config, method, pool
            As the attributes.
        **choices
            Values instead of the defaults, for all layers: ``n_groups``, ``max_within``,
            ``min_between``, ``groups_from``, ``step_size``.
        """
        for name in layers or ():
            backbone.layer(name)
        values = {**CHOICES, **{name: tuple(given) for name, given in choices.items()}}
        if not source and "groups_from" not in choices:
            values["groups_from"] = ("support", "weights")
        own = {
            name: dict(values)
            if layers is None or name in layers
            else {**{key: one[:1] for key, one in values.items()}, "step_size": (0.0,)}
            for name in backbone.layers
        }
        searched = searched_settings(settings, config)
        return cls(own, searched, config or FinetuneConfig(), method, pool)

    def only(self, layers: str | Collection[str] | None = None, **choices: Sequence[Any]) -> Self:
        """Cut the space down: some layers (all by default) keep these values only.

        Parameters
        ----------
        layers : str or collection of str, optional
        **choices
            Choice -> values, as in :meth:`of`.
        """
        chosen = [layers] if isinstance(layers, str) else list(layers or self.layers)
        for name in chosen:
            if name not in self.layers:
                raise unknown_name("layer", name, self.layers)
        given = {name: tuple(values) for name, values in choices.items()}
        cut = {
            name: {**own, **given} if name in chosen else own for name, own in self.layers.items()
        }
        return replace(self, layers=cut)

    def _layer_values(self) -> dict[str, tuple[Any, ...]]:
        return {
            f"{layer}/{name}": values
            for layer, choices in self.layers.items()
            for name, values in choices.items()
        }

    def _grouping(self, point: Mapping[str, Any], trained: Sequence[str]) -> GroupingRule | None:
        tied = [layer for layer in trained if point[f"{layer}/n_groups"] < 1]
        chosen = {name: {layer: point[f"{layer}/{name}"] for layer in tied} for name in CHOICES}
        if not tied:
            return None
        return GroupingRule(
            groups_from=chosen["groups_from"],
            n_groups={layer: share or 1 for layer, share in chosen["n_groups"].items()},
            max_within=_bounds(chosen["max_within"]),
            min_between=_bounds(chosen["min_between"]),
            method=self.method,
            pool=self.pool,
        )

    def point(self, kind: str, backbone: Backbone, *, n_groups: float = 0.1) -> dict[str, Any]:
        """Return a known method as a point of the space.

        Parameters
        ----------
        kind : {"head_only", "last_block", "plain", "grouped"}
        backbone : Backbone
        n_groups : float
            Share of the width of ``"grouped"``.
        """
        block = {name.rpartition(".")[0] for name in backbone.block_parameters()}
        trained: dict[str, Collection[str]] = {
            "head_only": (),
            "last_block": block,
            "plain": self.layers,
            "grouped": self.layers,
        }
        if kind not in trained:
            raise unknown_name("kind", kind, trained)
        share = n_groups if kind == "grouped" else 1.0
        point = {name: values[0] for name, values in self.values.items()}
        for name, values in self.settings.items():
            # The configuration's own value, where it is among those searched.
            if (given := getattr(self.config, name)) in values:
                point[f"{SETTINGS}/{name}"] = given
        for layer in self.layers:
            point[f"{layer}/step_size"] = 1.0 if layer in trained[kind] else 0.0
            point[f"{layer}/n_groups"] = share
        return self.complete(point)


def _bounds(chosen: Mapping[str, float | None]) -> dict[str, float] | None:
    """Return the bounds of the layers that have one; None where no layer has."""
    return {layer: bound for layer, bound in chosen.items() if bound is not None} or None

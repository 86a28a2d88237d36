"""Base class of search spaces: named categorical choices, one controller step a layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Self

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.records import plain
from kshot_viz.search.controller.network import ControllerStep

if TYPE_CHECKING:
    from optuna.distributions import CategoricalDistribution

    from kshot_viz.grouping.grouping import Grouping
    from kshot_viz.grouping.rule import GroupingRule

# The step for settings of the whole run, after all layers.
SETTINGS = "settings"
# Searched by default: the step size of a new head matters more than any grouping.
STEP_SIZES = {"lr": (0.003, 0.01, 0.03, 0.1), "head_lr": (0.003, 0.01, 0.03, 0.1)}
# Multiples of the step size of a layer; 0 freezes it.
MULTIPLES = (0.0, 0.1, 0.3, 1.0, 3.0)


class Space(ABC):
    """Points are mappings of ``"layer/choice"`` (or ``"settings/field"``) to a value.

    Subclasses are frozen dataclasses.

    Attributes
    ----------
    kind : str
        Name of the class of spaces in stored records.
    layers : mapping of str to object
        The choices of each layer; each layer has a choice ``"step_size"``.
    settings : mapping of str to tuple
        Fields of :class:`FinetuneConfig` that are searched too, with their values.
    config : FinetuneConfig
        Everything that is not searched.
    frozen : tuple of str
        Layers outside the space that are frozen.
    pool : str
        How activations are pooled that form groups.
    """

    kind: ClassVar[str]
    layers: Mapping[str, Any]
    settings: Mapping[str, tuple[Any, ...]]
    config: FinetuneConfig
    frozen: tuple[str, ...] = ()
    pool: str

    def __post_init__(self) -> None:
        known = [item.name for item in fields(FinetuneConfig)]
        for name, values in self.settings.items():
            if name not in known:
                raise unknown_name("setting", name, known)
            check_values(name, values)

    @property
    def values(self) -> dict[str, tuple[Any, ...]]:
        """Parameter -> values, layer by layer, settings last."""
        settings = {f"{SETTINGS}/{name}": values for name, values in self.settings.items()}
        return self._layer_values() | settings

    @abstractmethod
    def _layer_values(self) -> dict[str, tuple[Any, ...]]:
        """Return parameter -> values of all layers."""

    @property
    def size(self) -> int:
        """Number of points."""
        return prod(len(values) for values in self.values.values())

    def distributions(self) -> dict[str, CategoricalDistribution]:
        """Return the parameters with more than one value, as Optuna's distributions."""
        from optuna.distributions import CategoricalDistribution

        return {
            name: CategoricalDistribution(values)
            for name, values in self.values.items()
            if len(values) > 1
        }

    def steps(
        self, descriptions: Mapping[str, tuple[float, ...]] | None = None
    ) -> list[ControllerStep]:
        """Return the controller's steps: every layer with a choice, then the settings.

        Parameters
        ----------
        descriptions : mapping of str to tuple of float, optional
            Input features of each layer.
        """
        known = descriptions or {}
        nothing = (0.0,) * max((len(one) for one in known.values()), default=0)
        choices: dict[str, dict[str, int]] = {}
        for name, values in self.values.items():
            if len(values) > 1:
                choices.setdefault(name.rpartition("/")[0], {})[name] = len(values)
        return [
            ControllerStep(step, own, known.get(step, nothing)) for step, own in choices.items()
        ]

    def complete(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Add the parameters with one value only, and check all others."""
        whole = {}
        for name, values in self.values.items():
            value = parameters.get(name, values[0]) if len(values) == 1 else parameters.get(name)
            if value not in values or (name not in parameters and len(values) > 1):
                raise KShotValueError(f"{name!r} must be one of {list(values)}; not {value!r}.")
            whole[name] = value
        return whole

    def candidate(self, parameters: Mapping[str, Any], *, name: str = "searched") -> Candidate:
        """Return the candidate of a point of the space; equivalent points have equal candidates.

        Parameters
        ----------
        parameters : mapping
            Parameter -> value.
        name : str
            The candidate's name in tables.
        """
        whole = self.complete(parameters)
        multiples = {layer: whole[f"{layer}/step_size"] for layer in self.layers}
        settings = {item: whole[f"{SETTINGS}/{item}"] for item in self.settings}
        if not any(multiples.values()):
            config = self.config.but(**settings, layer_lr={})
            return Candidate(None, config, method="head_only", name=name)
        changed = {layer: multiple for layer, multiple in multiples.items() if multiple != 1}
        layer_lr = changed | dict.fromkeys(self.frozen, 0.0)
        trained = [layer for layer, multiple in multiples.items() if multiple]
        config = self.config.but(**settings, layer_lr=layer_lr)
        return Candidate(self._grouping(whole, trained), config, name=name)

    @abstractmethod
    def _grouping(
        self, point: Mapping[str, Any], trained: Sequence[str]
    ) -> Grouping | GroupingRule | None:
        """Return the grouping of a point; None where no gradient is shared.

        Parameters
        ----------
        point : mapping
            Every parameter -> value.
        trained : sequence of str
            The layers that are not frozen, at least one.
        """

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; ``kind`` names the class of the space."""
        record = {item.name: getattr(self, item.name) for item in fields(self)}  # type: ignore[arg-type]
        return plain({"kind": self.kind, **record, "config": self.config.to_dict()})

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild a space from :meth:`to_dict`."""
        known = {item.name: _tuples(record[item.name]) for item in fields(cls)}  # type: ignore[arg-type]
        return cls(**{**known, "config": FinetuneConfig.from_dict(record["config"])})


def searched_settings(
    settings: Mapping[str, Any] | None, config: FinetuneConfig | None
) -> dict[str, tuple[Any, ...]]:
    """Return the settings that are searched: step sizes by default, unless ``config`` has them."""
    if settings is None:
        settings = STEP_SIZES if config is None else {}
    return {name: tuple(values) for name, values in settings.items()}


def check_values(name: str, values: Any) -> None:
    """Raise a KShotValueError unless values are distinct, and at least one."""
    if not isinstance(values, tuple) or not values or len(set(values)) != len(values):
        raise KShotValueError(f"{name!r} must be a tuple of distinct values; not {values!r}.")


def _tuples(value: Any) -> Any:
    """Return JSON values with tuples for lists."""
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value

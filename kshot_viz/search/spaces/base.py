"""What every search space is: named choices, gathered in one step a layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from math import prod
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.search.controller.network import Step

if TYPE_CHECKING:
    from optuna.distributions import CategoricalDistribution

# The step for settings of the whole run, after all layers.
SETTINGS = "settings"
# Of these a search chooses where nothing else is said: the step size of a new head decides more
# than any grouping.
STEP_SIZES = {"lr": (0.003, 0.01, 0.03, 0.1), "head_lr": (0.003, 0.01, 0.03, 0.1)}
# Multiples of the step size of a layer; 0 freezes it.
MULTIPLES = (0.0, 0.1, 0.3, 1.0, 3.0)


class Space(ABC):
    """Points are mappings of ``"layer/choice"`` (or ``"settings/field"``) to a value.

    Attributes
    ----------
    layers : mapping of str to object
        What there is to choose in each layer.
    config : FinetuneConfig
        Everything that is not searched.
    pool : str
        How activations are pooled that form groups.
    """

    layers: Mapping[str, Any]
    config: FinetuneConfig
    pool: str

    @property
    @abstractmethod
    def values(self) -> dict[str, tuple[Any, ...]]:
        """Parameter -> values, layer by layer, settings last."""

    @abstractmethod
    def candidate(self, parameters: Mapping[str, Any], *, name: str = "searched") -> Candidate:
        """Return what a point of the space stands for."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; ``kind`` says which space it is."""

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

    def steps(self, descriptions: Mapping[str, tuple[float, ...]] | None = None) -> list[Step]:
        """Return the controller's steps: every layer with a choice, then the settings.

        Parameters
        ----------
        descriptions : mapping of str to tuple of float, optional
            What is known of each layer.
        """
        known = descriptions or {}
        nothing = (0.0,) * max((len(one) for one in known.values()), default=0)
        choices: dict[str, dict[str, int]] = {}
        for name, values in self.values.items():
            if len(values) > 1:
                choices.setdefault(name.rpartition("/")[0], {})[name] = len(values)
        return [Step(step, own, known.get(step, nothing)) for step, own in choices.items()]

    def complete(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Add the parameters with one value only, and check all others."""
        whole = {}
        for name, values in self.values.items():
            value = parameters.get(name, values[0]) if len(values) == 1 else parameters.get(name)
            if value not in values or (name not in parameters and len(values) > 1):
                raise KShotValueError(f"{name!r} must be one of {list(values)}; not {value!r}.")
            whole[name] = value
        return whole


def searched_settings(
    settings: Mapping[str, Any] | None, config: FinetuneConfig | None
) -> dict[str, tuple[Any, ...]]:
    """Return the settings that are searched: step sizes by default, unless ``config`` has them."""
    if settings is None:
        settings = STEP_SIZES if config is None else {}
    return {name: tuple(values) for name, values in settings.items()}


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise unless every setting is a field of :class:`FinetuneConfig` with distinct values."""
    known = [item.name for item in fields(FinetuneConfig)]
    for name, values in settings.items():
        if name not in known:
            raise unknown_name("setting", name, known)
        check_values(name, values)


def check_values(name: str, values: Any) -> None:
    """Raise a KShotValueError unless values are distinct, and at least one."""
    if not isinstance(values, tuple) or not values or len(set(values)) != len(values):
        raise KShotValueError(f"{name!r} must be a tuple of distinct values; not {values!r}.")


def setting_values(settings: Mapping[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """Return the settings as parameters."""
    return {f"{SETTINGS}/{name}": values for name, values in settings.items()}


def settings_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the configuration that a point sets."""
    return {
        name.removeprefix(f"{SETTINGS}/"): value
        for name, value in parameters.items()
        if name.startswith(f"{SETTINGS}/")
    }

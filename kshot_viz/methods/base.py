"""What a fine-tuning method is: the base class that every method extends."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from torch import Tensor

from kshot_viz.errors import unknown_name
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.hooks import Batch, Setup, Step
from kshot_viz.methods.loss import cross_entropy
from kshot_viz.methods.options import check_options, option_defaults, option_values
from kshot_viz.methods.slots import Slot, SlotPlan, make_slots, plan_slots
from kshot_viz.models.head_init import HeadInit, HeadStart
from kshot_viz.words.head_init import head_start

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

# What a method must not change to be trained beside other candidates on the fast path.
_OWN_TRAINING = ("attach", "loss", "before_step", "after_step")


@dataclass(frozen=True)
class MethodStyle:
    """How a method is drawn: its name in figures, colour, marker and matplotlib line style."""

    label: str
    colour: str
    marker: str
    dashes: str | tuple[int, tuple[float, ...]]


@dataclass(frozen=True)
class Method:
    """A way to fine-tune. Extend it as a frozen dataclass; its fields are its options.

    The first line of the docstring is the summary of the method. Options must be plain JSON values.

    Attributes
    ----------
    name : str
        What ``method=`` calls it, and rows.
    label : str
        What tables and figures call it.
    tuned : tuple of str
        The settings that a comparison chooses for it, fields of :class:`FinetuneConfig` or options
        of its own. The first is the axis of the step-size picture. A method that takes no
        steps tunes nothing.
    tries : mapping of str to tuple
        Values to choose from, for tuned settings that a :class:`TuningGrid` does not list.
    shares : bool
        It shares gradients inside groups, and so needs a grouping.
    takes_steps : bool
        False for a method that ``attach`` fits from the support; the number of steps is then 0.
    own_head : bool
        It makes the head itself, from the support; ``head`` is an error then.
    needs_images : bool
        It needs at least one image of each class; False lets it take episodes of 0 shots.
    sees_total : bool
        Its ``attach`` and hooks may ask for the number of steps of the run. False promises that
        they do not: then one run serves all step counts of a comparison.
    fast : bool
        It may be trained beside other candidates: every parameter moves by its own step size and
        ties alone, and the loss is the common one. A method with an ``attach``, ``loss``,
        ``before_step`` or ``after_step`` of its own never is; one with a ``schedule`` may be.
    style : MethodStyle or None
        How it is drawn; None takes the next free colour.
    null_of, null_note : str
        The method whose null this is, and what it means where both differ from plain alike.
    head : HeadInit or kshot_viz.words.HeadFromWords
        Where the new head starts.
    """

    name: ClassVar[str] = ""
    label: ClassVar[str] = ""
    tuned: ClassVar[tuple[str, ...]] = ("lr", "head_lr")
    tries: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    shares: ClassVar[bool] = False
    takes_steps: ClassVar[bool] = True
    own_head: ClassVar[bool] = False
    needs_images: ClassVar[bool] = True
    sees_total: ClassVar[bool] = True
    fast: ClassVar[bool] = True
    style: ClassVar[MethodStyle | None] = None
    null_of: ClassVar[str] = ""
    null_note: ClassVar[str] = ""

    head: HeadStart = field(default_factory=HeadInit, kw_only=True)

    def applies(self, backbone: Backbone) -> str:
        """Return why the method cannot be used on a network, in words, or ``""``."""
        return ""

    def trained(
        self, network: Backbone, layers: Collection[str], config: FinetuneConfig
    ) -> Collection[str]:
        """Return the names of the body's parameters that train; all of them by default.

        Parameters
        ----------
        network : Backbone
            With its new head, which always trains.
        layers : collection of str
            The grouped layers.
        config : FinetuneConfig
            What trains may depend on all settings but step sizes and the number of steps.
        """
        return {name for name, _ in network.module.named_parameters()}

    def settings(self, config: FinetuneConfig) -> FinetuneConfig:
        """Return the settings of a run where these are given, for options that stand for some."""
        return config if self.takes_steps else config.but(steps=0)

    def grouping_rule(self, grouping: Grouping | GroupingRule) -> Grouping | GroupingRule:
        """Return the groups that the method forms where these are given; the same by default."""
        return grouping

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Make a network ready, and return what trains.

        Parameters
        ----------
        network : Backbone
            A private copy with its new head. Modules may be wrapped or added in place.
        setup : Setup

        Returns
        -------
        list of Slot
            By default those of :meth:`trained` and the head, tied as the grouping says.
        """
        plans = self.plan(network, setup.layers, setup.config)
        return make_slots(network, plans, setup.grouping, setup.config)

    def loss(self, network: Backbone, batch: Batch) -> Tensor:
        """Return the loss to minimise, a scalar; the cross-entropy of the logits by default."""
        return cross_entropy(batch.logits, batch.targets)

    def schedule(self, network: Backbone, step: Step) -> None:
        """Change the step sizes of an update: warm-up, gradual unfreezing.

        It must depend on the number of the step, the names in ``step.lr`` and the structure of the
        network alone: candidates that train side by side share the network.
        """

    def before_step(self, network: Backbone, step: Step) -> None:
        """Act before each update, by the network as it is now; ``step.lr`` may be changed too."""

    def after_step(self, network: Backbone, step: Step) -> None:
        """Act after each update: projections, clipping."""

    @classmethod
    def merged(cls, network: Backbone) -> Backbone:
        """Return a tuned network without what ``attach`` added, where that computes the same.

        A classifier is saved in this form. By default it is the network itself; a copy otherwise.
        """
        return network

    @classmethod
    def rebuild(cls, network: Backbone, state: Mapping[str, Tensor]) -> None:
        """Add to a network with a new head what ``attach`` added, before weights are loaded.

        Parameters
        ----------
        network : Backbone
            A private copy with its new head, as ``attach`` was given.
        state : mapping of str to Tensor
            The parameters and buffers of the merged network that was saved.
        """

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def summary(self) -> str:
        """One line about the method, from its own docstring."""
        first = (type(self).__doc__ or "").strip().partition("\n")[0]
        # A dataclass without a docstring is given its signature.
        return "" if first.startswith(f"{type(self).__name__}(") else first

    @property
    def batched(self) -> bool:
        """Whether the fast path may train it beside other candidates."""
        own = any(getattr(type(self), one) is not getattr(Method, one) for one in _OWN_TRAINING)
        return self.fast and self.takes_steps and not own

    @property
    def scheduled(self) -> bool:
        """Whether a run may depend on its number of steps, so that no longer one stands for it."""
        hooks = ("attach", "schedule", "before_step", "after_step")
        own = any(getattr(type(self), one) is not getattr(Method, one) for one in hooks)
        return (own and self.sees_total) or not self.takes_steps

    @property
    def axis(self) -> str:
        """The setting that step-size curves are drawn over; ``""`` where there is none."""
        return self.tuned[0] if self.takes_steps else ""

    def plan(
        self, network: Backbone, layers: Collection[str], config: FinetuneConfig
    ) -> tuple[SlotPlan, ...]:
        """Return the slots by name, before any group of an episode is known."""
        return plan_slots(network, self.trained(network, layers, config), layers, config)

    def options(self) -> dict[str, Any]:
        """Return the options that differ from their defaults, as plain JSON values."""
        found, defaults = option_values(self), option_defaults(type(self))  # type: ignore[arg-type]
        return {name: value for name, value in found.items() if defaults.get(name, ...) != value}

    @cached_property
    def record(self) -> str:
        """The method as one line of JSON, which names it with its options."""
        return json.dumps(self.to_dict(), sort_keys=True)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; :func:`kshot_viz.methods.registry.method_from_dict` reads."""
        return {"name": self.name, "options": self.options()}

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Rebuild a method from its options; an unknown one is a KShotKeyError."""
        known = [one.name for one in fields(cls)]
        for name in options:
            if name not in known:
                raise unknown_name(f"option of {cls.name!r}", name, known)
        given: dict[str, Any] = {
            n: tuple(v) if isinstance(v, list) else v for n, v in options.items()
        }
        if "head" in given:
            given["head"] = head_start(given["head"])
        return cls(**given)

"""Where the new head starts: at zero, at the class means (two ways), or at given weights."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kshot_viz.checks import check, number
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.models.inputs.support import Support
from kshot_viz.models.modes import evaluating

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

KINDS = ("zeros", "class_means", "imprinted", "weights")
# Steep enough for a clear softmax over some ten classes, and flat enough for gradients to be left.
IMPRINT_SCALE = 10.0


class HeadStart(ABC):
    """How the weights of the new linear head are set before the first step: what all ways share.

    One is a frozen dataclass whose :meth:`to_dict` has a ``"kind"``.
    """

    @property
    def zero(self) -> bool:
        """Whether the head starts at zero."""
        return False

    @abstractmethod
    def fill(self, network: Backbone, support: Support) -> None:
        """Set the head of a network in place.

        Parameters
        ----------
        network : Backbone
            A private copy with its new head.
        support : Support
            May have no image.

        Raises
        ------
        KShotError
            If the values cannot be had for this network, or these classes.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, among them ``"kind"``."""

    @cached_property
    def record(self) -> str:
        """All of it as one line of JSON: equal where two heads start alike."""
        return json.dumps(self.to_dict(), sort_keys=True)


@dataclass(frozen=True)
class HeadInit(HeadStart):
    """How the weights of the new linear head are set before the first step.

    Attributes
    ----------
    kind : {"zeros", "class_means", "imprinted", "weights"}
        ``"class_means"`` makes the head the nearest-class-mean classifier (squared distance) of the
        support's features: row ``m_c`` and bias ``-|m_c|^2 / 2`` (Snell et al., NeurIPS 2017,
        section 2.4). ``"imprinted"`` makes it the one by cosine (Qi, Brown and Lowe, CVPR 2018):
        a row is the mean of a class's features of length one, at a length that gives logits of
        about ``scale`` times the cosine. Its softmax leaves gradients to train with, where squared
        distances of long features leave none. ``"weights"`` takes ``weight`` and ``bias``.
    weight : sequence of sequences of float, shape (way, features)
        Only with ``"weights"``; one row a class, in the order of the support's classes.
    bias : sequence of float, shape (way,), optional
        Zero by default.
    scale : float, optional
        Only with ``"imprinted"``; 10 by default.
    """

    kind: str = "zeros"
    weight: Sequence[Sequence[float]] | None = None
    bias: Sequence[float] | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("kind", self.kind, KINDS)
        if (self.kind == "weights") != (self.weight is not None) or (
            self.bias is not None and self.weight is None
        ):
            raise KShotValueError(
                f"A HeadInit of kind {self.kind!r}: exactly the kind 'weights' has `weight`, and "
                f"may have `bias`."
            )
        if self.scale is not None:
            check("scale", self.scale, number(0, above=True))
        if self.kind == "imprinted":
            scale = IMPRINT_SCALE if self.scale is None else float(self.scale)
            object.__setattr__(self, "scale", scale)
        elif self.scale is not None:
            raise KShotValueError(
                f"`scale` is of a head of kind 'imprinted'; not of {self.kind!r}."
            )
        if self.weight is not None:
            rows = tuple(tuple(map(float, row)) for row in self.weight)
            object.__setattr__(self, "weight", rows)
        if self.bias is not None:
            object.__setattr__(self, "bias", tuple(map(float, self.bias)))

    @property
    def zero(self) -> bool:
        """Whether the head starts at zero."""
        return self.kind == "zeros"

    def fill(self, network: Backbone, support: Support) -> None:
        """Set the head of a network in place; weights that do not fit are a KShotValueError."""
        if self.zero:
            return
        fill_head(network, *self._values(network, support))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> HeadInit:
        """Rebuild a HeadInit."""
        return cls(**record)

    def _values(self, network: Backbone, support: Support) -> tuple[Tensor, Tensor]:
        if self.kind == "weights":
            weight = torch.tensor(self.weight)
            none = self.bias is None
            return weight, torch.zeros(len(weight)) if none else torch.tensor(self.bias)
        features = head_features(network, support.inputs)
        # Lengths and means of half precision would overflow, or be zero.
        features = features.to(torch.promote_types(features.dtype, torch.float32))
        if self.kind == "class_means":
            means = class_means(features, support)
            return means, means.square().sum(dim=1) / -2
        assert self.scale is not None
        length = features.norm(dim=1).mean().clamp_min(torch.finfo(features.dtype).eps)
        means = mean_directions(features, support) * (self.scale / length)
        return means, torch.zeros_like(means[:, 0])


def _linear(network: Backbone) -> nn.Linear:
    found = network.module.get_submodule(network.head_name).linear
    assert isinstance(found, nn.Linear)
    return found


def head_features(network: Backbone, batch: Tensor) -> Tensor:
    """Return what the new head of a network reads of a prepared batch, shape (N, features)."""
    seen: list[Tensor] = []
    hook = _linear(network).register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].detach())
    )
    try:
        with torch.no_grad(), evaluating(network.module):
            network.module(batch.clone())
    finally:
        hook.remove()
    return seen[0]


def fill_head(network: Backbone, weight: Tensor, bias: Tensor) -> None:
    """Set weight (way, features) and bias (way,) of the new head of a network, in place.

    Raises
    ------
    KShotValueError
        If they do not fit the head.
    """
    linear = _linear(network)
    with torch.no_grad():
        for parameter, values in ((linear.weight, weight), (linear.bias, bias)):
            if values.shape != parameter.shape:
                raise KShotValueError(
                    f"The head's parameters have shape {tuple(parameter.shape)}; those given have "
                    f"{tuple(values.shape)}."
                )
            parameter.copy_(values)


def started(network: Backbone, start: HeadStart, support: Support) -> dict[str, Tensor]:
    """Set the head of a network in place, and return its parameters by their names."""
    start.fill(network, support)
    named = dict(network.module.named_parameters())
    return {name: named[name].detach() for name in network.head_parameters()}


def class_means(features: Tensor, support: Support) -> Tensor:
    """Return the mean of a support's features (N, features) in each class, (way, features)."""
    classes = range(len(support.classes))
    return torch.stack([features[support.targets == one].mean(dim=0) for one in classes])


def mean_directions(features: Tensor, support: Support) -> Tensor:
    """Return the mean of each class's features of length one, at length one, (way, features)."""
    return F.normalize(class_means(F.normalize(features, dim=1), support), dim=1)

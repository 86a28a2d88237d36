"""Decay towards the start (Li, Grandvalet, Davoine, ICML 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from kshot_viz.checks import check, number
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import register_method


@register_method
@dataclass(frozen=True)
class L2SP(Method):
    """All parameters train and are pulled towards their start, with a tuned strength.

    The loss has half of ``penalty`` times the squared distance from the start beside the
    cross-entropy; with AdamW the pull is not part of the gradient. The head, too, is pulled to
    where it starts, by the same strength. ``weight_decay`` means the same pull in every method, so
    this one sets it.

    Attributes
    ----------
    penalty : float
        0 is plain fine-tuning.
    """

    name = "l2sp"
    label = "decay to start"
    tuned = ("lr", "head_lr", "penalty")
    tries: ClassVar[Mapping[str, tuple[Any, ...]]] = {"penalty": (0.01, 0.1, 1.0)}
    penalty: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check("penalty", self.penalty, number(0))

    def settings(self, config: FinetuneConfig) -> FinetuneConfig:
        """Return the settings with the penalty as their pull towards the start."""
        return super().settings(config).but(weight_decay=self.penalty)

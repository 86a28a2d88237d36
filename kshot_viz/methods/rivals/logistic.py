"""Logistic regression on frozen features (Chen et al., ICLR 2019; Tian et al., ECCV 2020)."""

from __future__ import annotations

from dataclasses import dataclass

from kshot_viz.checks import check, number
from kshot_viz.errors import KShotValueError
from kshot_viz.methods.base import Method, Setup
from kshot_viz.methods.registry import register_method
from kshot_viz.methods.slots import Slot
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.logistic import fill_logistic


@register_method
@dataclass(frozen=True)
class Logistic(Method):
    """The head is a logistic regression on standardised features; the body stays as it is.

    Attributes
    ----------
    penalty : float
        Strength of the L2 penalty where a class has one image, so that none can be held out. It is
        half of it times the squared weights, beside the summed cross-entropy.
    penalties : tuple of float
        Strengths to choose from where every class has two images or more, by the log-likelihood of
        held-out images of the support (up to five folds). Empty: ``penalty`` is used.
    """

    name = "logistic"
    label = "logistic"
    tuned = ()
    takes_steps = False
    own_head = True
    penalty: float = 1.0
    penalties: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0, 100.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.penalties, tuple):
            raise KShotValueError(f"`penalties` must be a tuple; not {self.penalties!r}.")
        for one in (self.penalty, *self.penalties):
            check("penalty", one, number(0, above=True))

    def attach(self, network: Backbone, setup: Setup) -> list[Slot]:
        """Fit the head on the support."""
        fill_logistic(network, setup.support, penalty=self.penalty, penalties=self.penalties)
        return []

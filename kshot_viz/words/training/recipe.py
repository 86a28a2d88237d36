"""The settings of a training."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kshot_viz.checks import check, number, whole
from kshot_viz.errors import unknown_name
from kshot_viz.words.modules.labels2adaptation import KINDS
from kshot_viz.words.modules.layers import HEADS

_COUNTS = ("steps", "tasks", "queries", "width", "rank", "adapt_steps", "adapt_queries")


@dataclass(frozen=True)
class WordsRecipe:
    """Everything that decides the trained words besides data, backbone and seed.

    Attributes
    ----------
    steps, tasks, way, queries : int
        Steps of the head, tasks a step (every other one of similar classes), classes of a task,
        and images of each class that the loss is computed on.
    near_means : float
        Weight of the mean squared distance of prototypes to the means of their classes.
    lr, weight_decay : float
        Peak step size of the one-cycle schedule, and the decay of AdamW.
    width : int
        Length of all embeddings, a multiple of 4.
    adapt : {None, "scale_shift", "low_rank"}
        Also train changes of the backbone's layers, after the head, which stays as it is then.
    rank : int
        Of ``"low_rank"``.
    adapt_steps, adapt_queries : int
        Steps of the changes, and images of each class.
    adapt_lr : float
        Their peak step size.
    """

    steps: int = 4000
    tasks: int = 8
    way: int = 10
    queries: int = 8
    near_means: float = 1.0
    lr: float = 3e-3
    weight_decay: float = 0.3
    width: int = 96
    adapt: str | None = None
    rank: int = 2
    adapt_steps: int = 300
    adapt_queries: int = 4
    adapt_lr: float = 1e-3

    def __post_init__(self) -> None:
        for name in _COUNTS:
            check(name, getattr(self, name), whole(1))
        check("way", self.way, whole(2))
        check("width", self.width, _multiple_of_heads)
        for name in ("lr", "adapt_lr"):
            check(name, getattr(self, name), number(0, above=True))
        for name in ("weight_decay", "near_means"):
            check(name, getattr(self, name), number(0))
        if self.adapt is not None and self.adapt not in KINDS:
            raise unknown_name("adapt", self.adapt, [None, *KINDS])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def _multiple_of_heads(value: Any) -> str:
    return "" if value % HEADS == 0 else f"a multiple of {HEADS}"

"""What is recommended for a handful of labelled images, why, and what to expect of it."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.loop import finetune
from kshot_viz.records import plain
from kshot_viz.study.recommendation.estimate import Estimate
from kshot_viz.text import html_table, wrapped

if TYPE_CHECKING:
    import torch

    from kshot_viz.finetune.result import FinetuneResult
    from kshot_viz.methods.config import FinetuneConfig
    from kshot_viz.models.backbone import Backbone

NO_ESTIMATE = (
    "No accuracy can be estimated: with one image of a class nothing can be left out. A second "
    "image of every class makes an estimate possible."
)
_WIDTH = 100


@dataclass(frozen=True)
class Recommendation:
    """A method with its settings, the reasons for it, and the accuracy to expect.

    Attributes
    ----------
    candidate : Candidate
        The method with its groups and settings.
    reasons : tuple of str
        Sentences.
    estimate : Estimate or None
        None where a class has one image, so that none can be left out.
    accuracies : mapping of str to float
        The share of left-out images that each method recognised, the chosen one included. The best
        of them is too high, since it was chosen as the best; ``estimate`` is not.
    shot : int
        Different images of the smallest class.
    seed : int
    among : tuple of str
        Names of the candidates that it was chosen among; a single one was asked for.
    """

    candidate: Candidate
    reasons: tuple[str, ...]
    estimate: Estimate | None
    accuracies: Mapping[str, float]
    shot: int
    seed: int = 0
    among: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """The name of the method."""
        return self.candidate.method.name

    @property
    def config(self) -> FinetuneConfig:
        """The settings of the run."""
        return self.candidate.config

    @property
    def expectation(self) -> str:
        """The accuracy to expect in words, or why there is none."""
        return NO_ESTIMATE if self.estimate is None else self.estimate.meaning

    def finetune(
        self, backbone: Backbone, support: Any, *, device: str | torch.device | None = None
    ) -> FinetuneResult:
        """Train what is recommended on all images; see :func:`kshot_viz.finetune`."""
        return finetune(
            backbone,
            support,
            method=self.candidate.method,
            grouping=self.candidate.grouping,
            config=self.candidate.config,
            seed=self.seed,
            device=device,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "candidate": plain(self.candidate.to_dict()),
            "reasons": list(self.reasons),
            "estimate": None if self.estimate is None else self.estimate.to_dict(),
            "accuracies": dict(self.accuracies),
            "shot": self.shot,
            "seed": int(self.seed),
            "among": list(self.among),
        }

    def __str__(self) -> str:
        parts = [line for one in self.reasons for line in wrapped(one, _WIDTH, "- ")]
        return "\n".join([f"{self._title}.", *parts, *wrapped(self.expectation, _WIDTH)])

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{html.escape(one)}</li>" for one in self.reasons)
        rows = [(name, f"{100 * share:.1f}") for name, share in self.accuracies.items()]
        table = html_table(("method", "left-out images recognised, %"), rows) if rows else ""
        return (
            f"<div><p><b>{html.escape(self._title)}</b></p><ul>{items}</ul>"
            f"<p>{html.escape(self.expectation)}</p>{table}</div>"
        )

    @property
    def _title(self) -> str:
        method = self.candidate.method
        settings = f" ({self.config.summary})" if method.takes_steps else ""
        led = "Asked for" if len(self.among) == 1 else "Recommended"
        return f"{led}: {method.label or method.name}{settings}"

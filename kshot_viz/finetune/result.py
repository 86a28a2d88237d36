"""What a fine-tuning run gives back."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from kshot_viz.checks import check, whole
from kshot_viz.data.arrays import label_row, labels_of
from kshot_viz.data.images import filled_count, slice_images
from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.models.modes import evaluating
from kshot_viz.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, eq=False)
class FinetuneResult:
    """A tuned copy of the network and how it got there.

    Attributes
    ----------
    backbone : Backbone
        The tuned copy; ``backbone.module`` is the network with its new head.
    classes : ndarray, shape (way,)
        Original class names, in the order of the head's outputs.
    losses, accuracies : tuple of float
        On the support, before each step and after the last one.
    status : str
        ``"ok"`` or ``"diverged at step N"``.
    added : tuple of str
        Names of the parameters and buffers that the method added to the network.
    """

    backbone: Backbone
    classes: NDArray[Any]
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    method: str
    grouping: Grouping | None
    config: FinetuneConfig
    seed: int
    status: str
    seconds: float
    added: tuple[str, ...] = ()

    @property
    def diverged(self) -> bool:
        """Whether the loss became NaN or infinite."""
        return self.status != "ok"

    @property
    def history(self) -> pd.DataFrame:
        """Loss and accuracy on the support; columns ``step, loss, accuracy``."""
        import pandas as pd

        steps = range(len(self.losses))
        return pd.DataFrame({"step": steps, "loss": self.losses, "accuracy": self.accuracies})

    @one_thread()
    def logits(self, images: Any, *, batch_size: int = 64) -> Tensor:
        """Return the head's outputs, shape (images, way), on the CPU.

        Raises
        ------
        KShotValueError
            For an empty batch, and unless ``batch_size`` is a whole number >= 1.
        """
        check("batch_size", batch_size, whole(1))
        starts = range(0, filled_count(images), batch_size)
        parts = [self._forward(slice_images(images, i, i + batch_size)) for i in starts]
        return torch.cat(parts)

    def predict(self, images: Any) -> NDArray[Any]:
        """Return the class name of each image.

        A network that diverged predicts its first class.
        """
        return self.classes[predictions(self.logits(images))]

    def predict_proba(self, images: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (images, way)."""
        return self.logits(images).double().softmax(dim=1).numpy()

    def score(self, images: Any, labels: ArrayLike | None = None) -> float:
        """Return the share of images whose predicted class equals its label.

        Parameters
        ----------
        images : image batch
        labels : array_like, shape (images,), optional
            A data set has its own.

        Raises
        ------
        KShotValueError
            Without labels, for an empty batch, unless there is one label for each image, and for a
            label that is none of ``classes``.
        """
        known, count = label_row(labels_of(images, labels)), filled_count(images)
        if len(known) != count:
            raise KShotValueError(
                f"`labels` must be one for each of the {count} images; not of shape {known.shape}."
            )
        classes = self.classes.tolist()
        unknown = {repr(one): one for one in known.tolist() if one not in classes}
        if unknown:
            wrong = _some([*unknown.values()])
            raise KShotValueError(
                f"`labels` must be among the classes {_some(classes)}; not {wrong}."
            )
        predicted = self.predict(images)
        return float((predicted == known).mean())

    def _forward(self, images: Any) -> Tensor:
        inputs = self.backbone.prepare(images)
        with torch.inference_mode(), evaluating(self.backbone.module):
            # A copy, since the network may write to its input.
            return self.backbone.module(inputs.clone()).cpu()

    def __repr__(self) -> str:
        return (
            f"FinetuneResult({self.method}, {len(self.classes)} classes, {self._outcome()}, "
            f"{self.seconds:.2f} s)"
        )

    def _repr_html_(self) -> str:
        rows = {
            "method": self.method,
            "outcome": self._outcome(),
            "classes": ", ".join(map(str, self.classes)),
            "settings": ", ".join(f"{k}={v}" for k, v in self.config.to_dict().items()),
        }
        cells = "".join(f"<tr><th>{k}</th><td>{html.escape(v)}</td></tr>" for k, v in rows.items())
        return f"<table><caption>Fine-tuning result</caption><tbody>{cells}</tbody></table>"

    def _outcome(self) -> str:
        if self.diverged:
            return self.status
        return f"support loss {self.losses[0]:.3f} to {self.losses[-1]:.3f}"


def _some(labels: Sequence[object]) -> str:
    more = f" and {len(labels) - 8} more" if len(labels) > 8 else ""
    return ", ".join(map(repr, labels[:8])) + more


def predictions(logits: Tensor) -> NDArray[np.int64]:
    """Return the index of the largest logit, last axis; NaN never wins."""
    finite = torch.nan_to_num(logits, nan=float("-inf"))
    return finite.argmax(dim=-1).cpu().numpy()


def outcome(losses: Sequence[float]) -> str:
    """Name the outcome: the last loss tells whether the run diverged, and at which step."""
    return "ok" if np.isfinite(losses[-1]) else f"diverged at step {len(losses) - 1}"

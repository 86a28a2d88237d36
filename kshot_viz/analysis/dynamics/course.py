"""One run of fine-tuning that stops at some steps to be measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from kshot_viz.analysis.alignment.labelled import Labelled, indices
from kshot_viz.analysis.alignment.maps import linear_maps
from kshot_viz.analysis.dynamics.state import How, LayerState, compared, network_state
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.loop import start_run
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.inputs.support import Support
from kshot_viz.threads import one_thread

LOSS, ON_SUPPORT, ACCURACY = "loss", "support accuracy", "accuracy"
NETWORK_MEASURES = (ACCURACY, ON_SUPPORT, LOSS)
_NAN = float("nan")

# layer, measure, value, untrained, null
Row = tuple[str, str, float, float, float]


class Course:
    """A run of one candidate; :meth:`until` takes it to a step and measures it there.

    Parameters
    ----------
    backbone : Backbone
    support : Support
    candidate : Candidate
    own_groups : Grouping or None
        Those it shares gradients in, made already.
    grouping : Grouping or None
        Whose groups "energy kept" is about.
    shown : tuple
        Images that are measured on, and one label of each.
    layers : sequence of str, optional
        All linear maps of the network as the method has it by default.
    how : How
    """

    def __init__(
        self,
        backbone: Backbone,
        support: Support,
        candidate: Candidate,
        own_groups: Grouping | None,
        grouping: Grouping | None,
        shown: tuple[Any, Any],
        layers: Sequence[str] | None,
        how: How,
    ) -> None:
        self.name, self._how, self._grouping = candidate.name, how, grouping
        self._run = start_run(backbone, support, candidate.method, own_groups, candidate.config)
        self._states = self._run.states(how.seed)
        images, labels = shown
        targets = indices(labels, self._run.support.classes)
        self._whole = Labelled(self._run.backbone, images, targets)
        self._layers, refused = linear_maps(self._run.backbone.module, layers)
        # Of layers that were named none is refused; the others were not asked for.
        self._refused = refused if layers is None else {}
        self._start: dict[str, LayerState] | None = None
        self._step, self.status = -1, "not started"

    @property
    def steps(self) -> int:
        """The steps of the whole run."""
        return self._run.config.steps

    @property
    def head(self) -> str:
        """The module that is the head."""
        return self._run.backbone.head_name

    @property
    def left_out(self) -> dict[str, str]:
        """Layers that are not measured, and why."""
        ran = self._start if self._start is not None else self._layers
        idle = {
            name: "it was not called, or runs without gradients"
            for name in self._layers
            if name not in ran
        }
        return {**self._refused, **idle}

    def until(self, step: int) -> list[Row]:
        """Go on to a step, and return what is measured there; nothing beyond the run's end."""
        if self._step < 0:
            self.status = "running"
        if self.status != "running" or step > self.steps:
            return []
        with one_thread():
            return list(self._rows(step))

    def finish(self) -> None:
        """State how far the run was followed."""
        if self.status == "running":
            whole = self._step == self.steps
            self.status = "completed" if whole else f"measured to step {self._step} of {self.steps}"

    def _rows(self, step: int) -> Iterator[Row]:
        if self._start is None:
            # Before the first step: an untrained copy of the network with what the method added.
            self._untrained = self._state(self._whole.untrained(self._how.seed))
        loss = accuracy = _NAN
        while self._step < step:
            self._step, loss, accuracy = next(self._states)
            if not math.isfinite(loss):
                self.status = f"diverged at step {self._step}"
                return
            if self._start is None:
                self._start = self._state(self._whole)
        chance = 1 / len(self._run.support.classes)
        yield "", LOSS, loss, _NAN, math.log(1 / chance)
        yield "", ON_SUPPORT, accuracy, _NAN, chance
        yield "", ACCURACY, self._accuracy(), _NAN, chance
        assert self._start is not None
        now = self._start
        if step:
            now = self._state(self._whole)
        yield from compared(now, self._start, self._untrained, self._grouping, self._how)

    def _state(self, whole: Labelled) -> dict[str, LayerState]:
        return network_state(whole, self._run.support, self._layers, self._how)

    def _accuracy(self) -> float:
        """Return the accuracy on the images."""
        module, hits = self._whole.backbone.module, []
        with torch.no_grad():
            for inputs, targets in self._whole.batches():
                hits.append((module(inputs).flatten(1).argmax(dim=1) == targets).cpu().numpy())
        return float(np.concatenate(hits).mean())

"""One candidate as a lane of a chunk: its settings, step sizes and ties, parameter by parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kshot_viz.finetune.config import FinetuneConfig
from kshot_viz.finetune.methods import Method
from kshot_viz.finetune.slots import step_sizes
from kshot_viz.grouping.grouping import Grouping

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, eq=False)
class Lane:
    """What a candidate does with each parameter, by the parameter's id."""

    config: FinetuneConfig
    rates: Mapping[int, float]
    labels: Mapping[int, NDArray[np.int64]]

    @property
    def moving(self) -> set[int]:
        """The parameters that train."""
        return {key for key, rate in self.rates.items() if rate > 0}


def plan_lane(
    tuned: Backbone, method: Method, grouping: Grouping | None, config: FinetuneConfig
) -> Lane:
    """Work out one candidate on a network with its new head.

    Raises
    ------
    KShotValueError
        As :func:`kshot_viz.finetune.slots.plan_slots`.
    """
    rates = step_sizes(tuned, method, grouping, config)
    labels = {
        id(parameter): grouping[layer]
        for layer in grouping or ()
        for parameter in tuned.tied_parameters(layer).values()
        if grouping is not None
    }
    return Lane(config, rates, labels)

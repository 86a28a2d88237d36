"""What is measured of a network at one moment of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.alignment.labelled import Labelled
from kshot_viz.analysis.alignment.maps import map_weight, some_positions
from kshot_viz.analysis.alignment.moments import Moments
from kshot_viz.analysis.alignment.relations import (
    RELATIONS,
    entry_correlation,
    rotated_correlation,
    turns,
)
from kshot_viz.analysis.dynamics.gradients import GradientSums, gradient_sums
from kshot_viz.analysis.similarity.kernels import gram, linear_cka
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.metrics import energy_kept, energy_kept_by_chance
from kshot_viz.models.inputs.support import Support
from kshot_viz.seeds import numpy_rng

AGREEMENT, KEPT, TO_START = "gradient agreement", "energy kept", "CKA to the start"
LAYER_MEASURES = (*RELATIONS, AGREEMENT, KEPT, TO_START)

# measure, value, untrained, null
Measured = tuple[str, float, float, float]


@dataclass(frozen=True)
class How:
    """How a state is measured.

    Attributes
    ----------
    kind : str
        Of the moments, as in :mod:`kshot_viz.analysis.alignment.moments`.
    positions : int
        Of a feature map, used of each image.
    draws : int
        Random rotations and orders behind a null.
    seed : int
    """

    kind: str
    positions: int
    draws: int
    seed: int


@dataclass(frozen=True, eq=False)
class LayerState:
    """One layer at one moment.

    Attributes
    ----------
    moments : Moments
    kernel : ndarray, shape (images, images)
        Inner products of the images' centred outputs, means over positions.
    gradients : GradientSums or None
        Of the support; None where the layer is not called.
    """

    moments: Moments
    kernel: NDArray[np.float64]
    gradients: GradientSums | None


def network_state(
    whole: Labelled, support: Support, layers: Sequence[str], how: How
) -> dict[str, LayerState]:
    """Measure layers: representations on the images, gradients of weights on the support."""
    module = whole.backbone.module
    moments = {name: Moments(map_weight(module.get_submodule(name))) for name in layers}
    outputs: dict[str, list[NDArray[np.float64]]] = {}
    for signals in whole.signals(layers):
        for name, pair in signals.items():
            kept = some_positions(pair, how.positions, how.seed, name)
            moments[name].add(*(one.double().cpu().numpy() for one in kept))
            mean = pair[0].mean(dim=1).double().cpu().numpy()
            outputs.setdefault(name, []).append(mean @ moments[name].weight.T)
    sums = gradient_sums(whole.backbone, list(outputs), support.inputs, support.targets)
    return {
        name: LayerState(moments[name], gram(np.concatenate(rows)), sums.get(name))
        for name, rows in outputs.items()
    }


def compared(
    now: Mapping[str, LayerState],
    start: Mapping[str, LayerState],
    untrained: Mapping[str, LayerState],
    grouping: Grouping | None,
    how: How,
) -> Iterator[tuple[str, *Measured]]:
    """Yield layer, measure, value, value untrained and null."""
    # A layer may run, or have gradients, at one moment only.
    for name in [one for one in now if one in start and one in untrained]:
        one, fresh = now[name], untrained[name]
        for row in _alignment(one.moments, fresh.moments, how):
            yield name, *row
        labels = grouping[name] if grouping is not None and name in grouping else None
        if one.gradients is not None and fresh.gradients is not None:
            values = one.gradients.agreement(), fresh.gradients.agreement()
            yield name, AGREEMENT, *values, 1 / one.gradients.images
            if labels is not None:
                totals = one.gradients.total, fresh.gradients.total
                values = (energy_kept(totals[0], labels), energy_kept(totals[1], labels))
                yield name, KEPT, *values, energy_kept_by_chance(totals[0], labels)
        yield name, TO_START, *_to_start(one, start[name], fresh, how)


def _alignment(now: Moments, untrained: Moments, how: How) -> Iterator[Measured]:
    for relation, (a, b) in RELATIONS.items():
        pairs = [(one.matrix(a, how.kind), one.matrix(b, how.kind)) for one in (now, untrained)]
        value, before = (entry_correlation(*pair) for pair in pairs)
        first, second = pairs[0]
        by_chance = rotated_correlation(first, turns(second, how.draws, how.seed))
        yield relation, value, before, by_chance


def _to_start(
    now: LayerState, start: LayerState, untrained: LayerState, how: How
) -> tuple[float, float, float]:
    null = []
    for i in range(how.draws):
        order = numpy_rng(how.seed, "order", i).permutation(len(now.kernel))
        null.append(linear_cka(now.kernel[np.ix_(order, order)], start.kernel))
    values = (linear_cka(one.kernel, start.kernel) for one in (now, untrained))
    return (*values, float(np.mean(null)))  # type: ignore[return-value]

"""What fine-tuning does to each layer, beside what it does to the accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.activations import capture_activations
from kshot_viz.analysis.similarity.canonical import leading
from kshot_viz.analysis.similarity.measures import measure_named
from kshot_viz.analysis.similarity.samples import constant
from kshot_viz.analysis.transfer.cells import RANDOM, Cell, Start
from kshot_viz.analysis.transfer.columns import LAYERS
from kshot_viz.analysis.transfer.result import compared
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.finetune.loop import finetune
from kshot_viz.models.backbone import Backbone
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.regimes.study import Study

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("cka", "svcca")
BEFORE, WITH_RANDOM = "before and after", "with random"
# Query images of the test episodes that layers are compared on.
MOST_IMAGES = 256
Layers = Mapping[str, NDArray[np.float64]]


def layer_rows(
    studies: Mapping[str, Study], cells: Sequence[Cell], starts: Sequence[Start], seed: int
) -> pd.DataFrame:
    """Return how alike layers are: one row per start, seed, layer, measure and what is compared.

    Every network is tuned on the first test episode of each shot, at the settings that its
    comparison chose. Starts that leave the body as it is are left out.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    random: dict[tuple[Any, ...], Layers] = {}
    # Random weights come first, since the others are compared with them.
    for cell, comparison in sorted(
        compared(studies, cells), key=lambda pair: pair[0].source != RANDOM
    ):
        for shot, method, before, after in _tuned(comparison, cell, seed):
            start = cell.start(method, starts)
            for number in cell.seeds:
                same = cell.target, cell.network, shot, method, number
                about = cell.source, cell.target, cell.network, start, shot, number
                rows += [(*about, BEFORE, *one) for one in _alike(before, after)]
                if cell.source == RANDOM:
                    random[same] = after
                else:
                    rows += [(*about, WITH_RANDOM, *one) for one in _alike(after, random[same])]
    return pd.DataFrame(rows, columns=LAYERS)


def _tuned(
    comparison: Comparison, cell: Cell, seed: int
) -> Iterator[tuple[int, str, Layers, Layers]]:
    """Yield (shot, method, layers before, layers after) of what trains the body."""
    data = comparison.data
    assert data is not None
    for shot, settings in comparison.settings.groupby("shot", sort=False):
        tests = [e for e in comparison.episodes.values() if (e.pool, e.shot) == ("test", shot)]
        images = _images(data, tests)
        before = layers_of(cell.backbone, images)
        for row in settings.to_dict("records"):
            (candidate, *_) = comparison.called(row["method"], setting=row["setting"])
            candidate = candidate.at(steps=int(row["steps"]))
            if "lr" not in candidate.method.tuned:
                continue
            tuned = finetune(
                cell.backbone,
                tests[0].split(data)[0],
                method=candidate.method,
                grouping=candidate.grouping,
                config=candidate.config,
                seed=seed,
            )
            yield int(str(shot)), candidate.name, before, layers_of(tuned.backbone, images)


def _images(data: ImageDataset, episodes: Sequence[Episode]) -> ImageDataset:
    """Return query images of all episodes that are not in the first one's support."""
    queries = dict.fromkeys(image for one in episodes for image in one.query)
    kept = [image for image in queries if image not in set(episodes[0].support)]
    return data.take(kept[:MOST_IMAGES])


def layers_of(backbone: Backbone, images: Any) -> Layers:
    """Return the mean activation of every neuron for each image, (images, neurons) by layer."""
    captured = capture_activations(backbone, images, pool="mean")
    return {name: np.asarray(one, np.float64).T for name, one in captured.items()}


def _alike(first: Layers, second: Layers) -> Iterator[tuple[str, str, float]]:
    for layer in first:
        for measure in MEASURES:
            yield layer, measure, _value(first[layer], second[layer], measure)


def _value(a: NDArray[np.float64], b: NDArray[np.float64], measure: str) -> float:
    """Return a similarity, NaN where it is not defined."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()) or constant(a) or constant(b):
        return float("nan")
    # With fewer images than directions canonical correlations are 1 by necessity.
    if measure == "svcca" and leading(a).shape[1] + leading(b).shape[1] > len(a) - 1:
        return float("nan")
    chosen = measure_named(measure)
    return chosen.value(chosen.prepare(a), chosen.prepare(b))

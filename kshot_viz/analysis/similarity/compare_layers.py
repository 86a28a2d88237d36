"""Similarity of the layers of two networks on the same images, with its null and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.activations import capture_activations
from kshot_viz.analysis.similarity.measures import Measure, State, check_count, measure_named
from kshot_viz.analysis.similarity.samples import sample_rows
from kshot_viz.checks import checked, instance, names, optional, text, whole
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.result import FinetuneResult
from kshot_viz.models.backbone import Backbone
from kshot_viz.seeds import numpy_rng
from kshot_viz.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd

NETWORK = instance(Backbone, FinetuneResult, cure="kv.Backbone(module) makes one of any network")
COLUMNS = (
    "first", "second", "layer", "other_layer", "measure", "images", "value", "null_mean",
    "p_value", "low", "high",
)  # fmt: skip


@checked(
    first=NETWORK,
    second=optional(NETWORK),
    layers=optional(names),
    other_layers=optional(names),
    pool=text,
    permutations=whole(0),
    resamples=whole(0),
    seed=whole(0),
)
@one_thread()
def compare_layers(
    first: Backbone | FinetuneResult,
    second: Backbone | FinetuneResult | None = None,
    *,
    images: Any,
    layers: Sequence[str] | None = None,
    other_layers: Sequence[str] | None = None,
    measure: str = "cka",
    pool: str = "mean",
    permutations: int = 100,
    resamples: int = 100,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare every layer of a network with every layer of another, or of itself.

    Parameters
    ----------
    first, second : Backbone or FinetuneResult
        Any two networks that take the images; without ``second``, the first with itself.
    images : image batch
        The samples; each network prepares them as it does elsewhere.
    layers : sequence of str, optional
        Of ``first``; all that can be grouped by default.
    other_layers : sequence of str, optional
        Of ``second``; the same as ``layers`` by default.
    measure : str
        As in :func:`kshot_viz.analysis.similarity`.
    pool : {"mean", "grid", "max", "none"}
        What becomes of the positions of a feature map, as in
        :func:`kshot_viz.capture_activations`; features of an image are neurons x positions left.
    permutations : int
        How often the images of the second network are shuffled for the null; 0 for none.
    resamples : int
        Random halves of the images for the interval; 0 for none.
    seed : int

    Returns
    -------
    DataFrame
        One row for every pair of layers: ``first, second`` (names of the networks,
        a tuned one with its method), ``layer,
        other_layer``, ``measure``, ``images``, ``value``; ``null_mean``, the mean of the shuffled
        values, and ``p_value``, (1 + those >= value) / (1 + permutations); ``low, high``, a 95 %
        interval over images.

    Raises
    ------
    KShotKeyError
        For an unknown measure or layer.
    KShotValueError
        For too few images, a layer that gives the same for all of them, and arguments of a wrong
        type.

    Notes
    -----
    The interval is from subsampling (Politis and Romano, Annals of Statistics 1994): values of a
    random half of the images scatter around their mean as values of all images do around theirs.
    Drawing with replacement would compare an image with its own copy, and so make neighbours and
    kernels more alike than they are. The biased CKA, canonical correlations and Procrustes are
    well above 0 for few images and many features even where nothing is shared: look at
    ``null_mean``.
    """
    import pandas as pd

    chosen = measure_named(measure)
    one, other = _network(first), _network(first if second is None else second)
    if other_layers is None:
        other_layers = layers
    left = _states(one, images, layers, chosen, pool)
    right = left if other is one and other_layers is layers else None
    if right is None:
        right = _states(other, images, other_layers, chosen, pool)
    n = len(next(iter(left.values())))
    check_count(n // 2 if resamples else n, measure, " in each half" if resamples else "")
    null = [numpy_rng(seed, "null", i).permutation(n) for i in range(permutations)]
    halves = [numpy_rng(seed, "half", i).permutation(n)[: n // 2] for i in range(resamples)]
    called = _called(first), _called(first if second is None else second)
    rows = [
        (*called, a, b, measure, n, *_judged(chosen, left[a], right[b], null, halves))
        for a in left
        for b in right
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _network(given: Backbone | FinetuneResult) -> Backbone:
    return given.backbone if isinstance(given, FinetuneResult) else given


def _called(given: Backbone | FinetuneResult) -> str:
    tuned = f" ({given.method})" if isinstance(given, FinetuneResult) else ""
    return f"{_network(given).name}{tuned}"


def _states(
    network: Backbone, images: Any, layers: Sequence[str] | None, measure: Measure, pool: str
) -> dict[str, State]:
    """Return what a measure needs of each layer."""
    captured = capture_activations(network, images, layers=layers, pool=pool)
    found = {}
    for name, points in captured.items():
        by_image = np.asarray(points, np.float64).reshape(len(points), captured.n_images, -1)
        rows = by_image.swapaxes(0, 1).reshape(captured.n_images, -1)
        found[name] = measure.prepare(sample_rows(rows, f"layer {name} of {network.name}"))
    if not found:
        raise KShotValueError("`layers` is empty; leave it out to compare all layers.")
    return found


def _judged(
    measure: Measure,
    first: State,
    second: State,
    null: list[NDArray[np.intp]],
    halves: list[NDArray[np.intp]],
) -> tuple[float, float, float, float, float]:
    """Return value, mean of the null, p-value and the bounds of the interval."""
    value = measure.value(first, second)
    shuffled = np.array([measure.value(first, measure.take(second, one)) for one in null])
    mean = p_value = low = high = float("nan")
    if len(shuffled) and np.isfinite([value, *shuffled]).all():
        mean = float(shuffled.mean())
        # Rounding alone must not make a value larger than its equal.
        p_value = float((1 + (shuffled >= value - 1e-12).sum()) / (1 + len(shuffled)))
    drawn = [measure.value(measure.take(first, one), measure.take(second, one)) for one in halves]
    if len(drawn) and np.isfinite([value, *drawn]).all():
        low, high = value + np.quantile(np.array(drawn) - np.mean(drawn), (0.025, 0.975))
    return value, mean, p_value, float(low), float(min(high, 1.0))

"""Measures of similarity by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis.similarity import canonical, kernels, neighbours
from kshot_viz.analysis.similarity.samples import Rows, sample_pair
from kshot_viz.errors import KShotValueError, unknown_name, warn
from kshot_viz.threads import one_thread

State = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """A measure in two parts, so that samples can be drawn again without starting anew.

    Attributes
    ----------
    prepare : function
        (samples, features) -> what the value is computed from.
    value : function
        Two of those -> float.
    square : bool
        Whether that is a matrix over pairs of samples; else samples are its rows.
    least : int
        Samples needed.
    label : str
        What figures call it.
    """

    prepare: Callable[[Rows], State]
    value: Callable[[State, State], float]
    square: bool
    least: int
    label: str

    def take(self, state: State, samples: NDArray[np.intp]) -> State:
        """Return what belongs to some samples, in their order."""
        return state[np.ix_(samples, samples)] if self.square else state[samples]


def _as_is(rows: Rows) -> State:
    return rows


_NEAR = neighbours.NEIGHBOURS + 2
MEASURES: dict[str, Measure] = {
    "cka": Measure(kernels.gram, kernels.linear_cka, True, 3, "linear CKA"),
    "cka_unbiased": Measure(kernels.gram, kernels.unbiased_cka, True, 4, "unbiased CKA"),
    "cka_rbf": Measure(kernels.squared_distances, kernels.rbf_cka, True, 3, "RBF CKA"),
    "svcca": Measure(canonical.compact, canonical.svcca, False, 3, "SVCCA"),
    "pwcca": Measure(_as_is, canonical.pwcca, False, 3, "PWCCA"),
    "procrustes": Measure(canonical.compact, canonical.procrustes, False, 3, "Procrustes"),
    "knn": Measure(
        kernels.squared_distances, neighbours.common_neighbours, True, _NEAR, "common neighbours"
    ),
    "rsa": Measure(kernels.squared_distances, neighbours.rsa, True, 4, "RSA"),
}


def measure_named(name: object) -> Measure:
    """Return a measure by its name.

    Raises
    ------
    KShotKeyError
        For an unknown one.
    """
    if not isinstance(name, str) or name not in MEASURES:
        raise unknown_name("measure", name, MEASURES)
    return MEASURES[name]


@one_thread()
def similarity(a: Any, b: Any, measure: str = "cka") -> float:
    """Return how alike two representations of the same samples are; 1 is the same.

    Parameters
    ----------
    a, b : array_like, shapes (n, p) and (n, q), or LayerActivations
        Samples in rows, features in columns. The arrays of :func:`kshot_viz.capture_activations`
        are (neurons, features): transpose them, or give ``activations.layer(name)``, of which each
        position of each image is a sample.
    measure : str
        ``"cka"``: linear centred kernel alignment (Kornblith et al., 2019), in [0, 1].
        ``"cka_unbiased"``: the same from unbiased estimates, about 0 for unrelated features also
        where there are more features than samples. ``"cka_rbf"``: with Gaussian kernels as wide as
        the median distance. ``"svcca"``: mean canonical correlation of the leading directions with
        99 % of the variance (Raghu et al., 2017). ``"pwcca"``: of all directions, weighted by how
        much of ``a`` they carry (Morcos et al., 2018). ``"procrustes"``: 1 - d^2 / 2, where d is
        the distance after centring, scaling to norm 1 and the best rotation (Ding et al., 2021).
        ``"knn"``: share of common 10 nearest neighbours (Huh et al., 2024). ``"rsa"``: Spearman's
        correlation of the Euclidean distances of all pairs (Kriegeskorte et al., 2008).

    Returns
    -------
    float
        NaN where a measure is not defined: ``"cka_rbf"`` with more than half of the pairs equal.

    Raises
    ------
    KShotKeyError
        For an unknown measure.
    KShotValueError
        For different numbers of samples, too few of them, values that are no finite numbers, and a
        representation that is the same for all samples.

    Warns
    -----
    KShotWarning
        For canonical correlations of fewer samples than directions: some are 1 by necessity.

    Notes
    -----
    All are blind to rotations and to one scale for all features of either side; only ``"pwcca"``
    changes with a rotation of ``a``. Canonical correlations are blind to any invertible linear map
    (``"svcca"`` as far as the same directions are kept). Kernels cost O(n^2 (p + q)).
    """
    chosen = measure_named(measure)
    rows_a, rows_b = sample_pair(a, b)
    check_count(len(rows_a), measure)
    if measure in ("svcca", "pwcca"):
        _warn_of_necessity(rows_a, rows_b, measure)
    return chosen.value(chosen.prepare(rows_a), chosen.prepare(rows_b))


def check_count(samples: int, measure: str, reason: str = "") -> None:
    """Raise a KShotValueError where there are too few samples for a measure."""
    least = MEASURES[measure].least
    if samples < least:
        raise KShotValueError(
            f"measure={measure!r} needs at least {least} samples{reason}; not {samples}."
        )


def _warn_of_necessity(a: Rows, b: Rows, measure: str) -> None:
    share = {} if measure == "svcca" else {"share": 1.0}
    ranks = [canonical.leading(one, **share).shape[1] for one in (a, b)]
    if sum(ranks) > len(a) - 1:
        warn(
            f"measure={measure!r} of {ranks[0]} and {ranks[1]} directions needs more than "
            f"{sum(ranks)} samples; with {len(a)}, canonical correlations are 1 by necessity. Take "
            f"more samples, or measure='cka_unbiased'."
        )

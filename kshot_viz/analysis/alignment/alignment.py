"""Alignment of representations, gradients and weights in every linear map of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from kshot_viz.analysis.alignment.exponents import exponent_rows
from kshot_viz.analysis.alignment.labelled import labelled
from kshot_viz.analysis.alignment.maps import linear_maps
from kshot_viz.analysis.alignment.moments import Moments
from kshot_viz.analysis.alignment.relations import relation_rows
from kshot_viz.analysis.similarity.compare_layers import NETWORK
from kshot_viz.checks import checked, names, optional, whole
from kshot_viz.errors import KShotValueError
from kshot_viz.text import counted
from kshot_viz.threads import one_thread

if TYPE_CHECKING:
    from kshot_viz.finetune.result import FinetuneResult
    from kshot_viz.models.backbone import Backbone

COLUMNS = ("layer", "kind", "relation", "side", "value", "untrained", "rotated")
EXPONENT_COLUMNS = (
    "layer", "matrix", "side", "exponent", "low", "high", "r2", "scatter", "directions",
    "phase", "phase_distance",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Alignment:
    """What :func:`alignment` found.

    Attributes
    ----------
    network : str
        Its name.
    images : int
        How many gradients were taken of.
    fitted_head : bool
        Whether the network had no head for the classes, so that a logistic regression on the same
        images was its head.
    left_out : mapping of str to str
        Layers that were not measured, and why.
    """

    network: str
    images: int
    fitted_head: bool
    left_out: Mapping[str, str]
    _relations: pd.DataFrame
    _exponents: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Return the relations, one row for each layer, kind and relation.

        Returns
        -------
        DataFrame
            ``layer``; ``kind``: "raw" second moments, or "normalised", covariances of samples of
            norm 1; ``relation``, from "b-RGA" to "f-GWA"; ``side`` of the map, "input" or
            "output"; ``value``, Pearson's correlation of the entries of the two matrices; the same
            for an ``untrained`` copy, and with one matrix ``rotated`` at random.
        """
        return self._relations.copy()

    def exponents(self) -> pd.DataFrame:
        """Return power laws over the eigenvalues of Z, four rows a layer.

        Returns
        -------
        DataFrame
            ``layer``; ``matrix``: H_a, G_a, H_b or G_b (raw second moments); ``side``;
            ``exponent`` over Z of that side, with a 95 % bootstrap interval ``low, high`` over
            images; ``r2`` of the fit of logarithms, and ``scatter``, the spread of what it leaves
            in parts of that of the eigenvalues; ``directions`` fitted; ``phase``, the nearest pair
            of relations, and ``phase_distance`` of the exponents from it. NaN where fewer than
            three directions have weight and energy.

        Notes
        -----
        The fits of H_a and G_b are independent. The other two follow by the weight: H_b has the
        exponent of H_a plus one, G_a that of G_b plus one, and their larger ``r2`` is no evidence.
        So ``phase`` is named only where ``phase_distance`` is at most 0.5 and the fits of H_a and
        of G_b both have an ``r2`` of at least 0.5, or a ``scatter`` of at most 0.3 (an exponent of
        0 has an ``r2`` of 0 however well it holds); elsewhere it is an empty text.
        """
        return self._exponents.copy()

    def __repr__(self) -> str:
        layers = counted(self._relations["layer"].nunique(), "layer")
        return f"Alignment of {layers} of {self.network}, {counted(self.images, 'image')}"


@checked(
    backbone=NETWORK,
    layers=optional(names),
    positions=whole(1),
    rotations=whole(1),
    resamples=whole(0),
    seed=whole(0),
)
@one_thread()
def alignment(
    backbone: Backbone | FinetuneResult,
    images: Any,
    labels: Any = None,
    *,
    layers: Sequence[str] | None = None,
    positions: int = 16,
    rotations: int = 4,
    resamples: int = 200,
    seed: int = 0,
) -> Alignment:
    """Measure how representations, gradients and weights align in each linear map of a network.

    For every map h_b = W h_a, and g the gradient of the cross-entropy of one image: H = E[h h^T]
    and G = E[g g^T] on either side, Z_a = W^T W and Z_b = W W^T. The canonical representation
    hypothesis says that on each side the three become proportional by training (Ziyin et al.,
    ICLR 2025, arXiv 2410.03006).

    Parameters
    ----------
    backbone : Backbone or FinetuneResult
        Its outputs are the classes, in the order of a data set's own or else sorted. Where it has
        no head of as many outputs, a logistic regression on the same images is its head, as it is
        of the untrained copy then.
    images : image batch
    labels : array_like, shape (images,), optional
        A data set has its own.
    layers : sequence of str, optional
        Linear layers, and convolutions through their unfolded patches (beyond the paper's
        statement; every position is a sample); all of at most 2,048 inputs by default.
    positions : int
        Positions of a feature map or tokens used of each image, drawn once a layer.
    rotations : int
        Random rotations that ``rotated`` is the mean of; one for matrices of more than 512 rows,
        where correlations with different rotations hardly differ.
    resamples : int
        Bootstrap resamples of the images for the intervals of exponents; 0 for none.
    seed : int
        Of the untrained copy, positions, rotations and resamples.

    Returns
    -------
    Alignment

    Raises
    ------
    KShotKeyError
        For a layer that does not exist.
    KShotValueError
        For labels that do not fit or one class only; one of ``layers`` that is no plain linear map,
        runs without gradients or has rows that cannot be matched to images (where it is not asked
        for, it is left out); and weights, outputs or gradients that are NaN or infinite: the
        message names the first such layer.

    Notes
    -----
    The bias is left out of h_b, so H_b = W H_a W^T and G_a = W^T G_b W hold. The gradient at the
    input is the part that goes through this map. Matrices share their diagonals, so entries
    correlate without any training: a value says something only beside ``untrained`` and
    ``rotated``. Where all gradients are zero (a head that starts at zero), relations with G are
    NaN. Images are best such that the network was not trained on.
    """
    given = labelled(backbone, images, labels)
    kept, left_out = linear_maps(given.backbone.module, layers)
    asked = layers or ()
    found, why = given.moments(kept, positions, seed, asked)
    before, why_before = given.untrained(seed).moments(list(found), positions, seed, asked)
    found = {name: one for name, one in found.items() if name in before}
    left_out |= why_before | why
    if not found:
        raise KShotValueError(f"No linear map is left to measure; left out: {left_out or 'none'}.")
    fits = [
        {"layer": name, **row}
        for name, one in found.items()
        for row in exponent_rows(one, resamples, seed)
    ]
    return Alignment(
        given.backbone.name,
        len(given.targets),
        given.fitted,
        {name: "it was not called" for name in kept if name not in found} | left_out,
        relation_frame(found, before, rotations, seed),
        pd.DataFrame(fits, columns=list(EXPONENT_COLUMNS)),
    )


def relation_frame(
    found: Mapping[str, Moments], before: Mapping[str, Moments], rotations: int, seed: int
) -> pd.DataFrame:
    """Return the rows of :meth:`Alignment.frame`."""
    rows = [
        (name, *row)
        for name, one in found.items()
        for row in relation_rows(one, before[name], rotations, seed)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))

"""Alignment along a fine-tuning run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from kshot_viz.analysis.alignment.alignment import COLUMNS, relation_frame
from kshot_viz.analysis.alignment.labelled import Labelled, indices
from kshot_viz.analysis.alignment.maps import linear_maps
from kshot_viz.checks import checked, instance, names, optional, whole
from kshot_viz.data.arrays import label_row
from kshot_viz.data.images import filled_count
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.candidate import grouping_for, settings_for
from kshot_viz.finetune.loop import start_run
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import resolve_method
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.threads import one_thread

if TYPE_CHECKING:
    from kshot_viz.methods.base import Method


@checked(
    backbone=BACKBONE,
    grouping=optional(instance(Grouping)),
    config=optional(instance(FinetuneConfig)),
    layers=optional(names),
    positions=whole(1),
    rotations=whole(1),
    seed=whole(0),
)
@one_thread()
def alignment_over_steps(
    backbone: Backbone,
    support: Any,
    *,
    images: Any,
    labels: Any = None,
    method: str | Method = "grouped",
    grouping: Grouping | None = None,
    config: FinetuneConfig | None = None,
    at: Sequence[int] = (0, 5, 10, 20, 40),
    layers: Sequence[str] | None = None,
    positions: int = 16,
    rotations: int = 4,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure alignment at some steps of a fine-tuning run.

    The run is that of :func:`kshot_viz.finetune`: same method, settings and seed, same network.

    Parameters
    ----------
    backbone, support, method, grouping, config
        As in :func:`kshot_viz.finetune`.
    images, labels
        What alignment is measured on, of classes of the support; best other images than those.
    at : sequence of int
        Steps taken when it is measured, 0 to ``config.steps``; 0 is the start.
    layers, positions, rotations
        As in :func:`kshot_viz.analysis.alignment`. Layers that a method wraps or adds have the
        names they have in the tuned network; W is the weight of the named layer alone, also where a
        method adds to its output or mixes it with another.
    seed : int
        Of the run, and as in :func:`kshot_viz.analysis.alignment`.

    Returns
    -------
    DataFrame
        ``step, loss, accuracy`` (of the support) and the columns of ``Alignment.frame()``. A run
        that diverges has no rows from there on.

    Raises
    ------
    KShotKeyError
        For an unknown method or layer.
    KShotValueError
        For steps that the run does not pass, labels that are no classes of the support, and
        whatever :func:`kshot_viz.finetune` refuses.

    Notes
    -----
    A head that starts at zero gives the layers below it no gradient at step 0: relations with G
    are NaN there. ``untrained`` is the tuned network with all its weights, those of the head
    included, initialised anew.
    """
    chosen = resolve_method(method)
    groups = grouping_for(chosen, grouping)
    if groups is not None and not isinstance(groups, Grouping):
        raise KShotValueError(f"method={chosen.name!r} needs a Grouping made beforehand.")
    run = start_run(backbone, support, chosen, groups, settings_for(chosen, config))
    wanted = _steps(at, run.config.steps)
    given = getattr(images, "labels", None) if labels is None else labels
    if given is None or len(label_row(given)) != filled_count(images):
        raise KShotValueError("`labels` must be one for each image, or a data set given alone.")
    targets = indices(label_row(given), run.support.classes)
    whole = Labelled(run.backbone, images, targets)
    kept, _ = linear_maps(run.backbone.module, layers)
    before = whole.untrained(seed).moments(kept, positions, seed)
    parts = []
    for step, loss, accuracy in run.states(seed):
        if not math.isfinite(loss):
            break
        if step in wanted:
            frame = relation_frame(whole.moments(kept, positions, seed), before, rotations, seed)
            parts.append(frame.assign(step=step, loss=loss, accuracy=accuracy))
        if step == max(wanted):
            break
    columns = ["step", "loss", "accuracy", *COLUMNS]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _steps(at: Sequence[int], last: int) -> set[int]:
    """Return the steps to stop at."""
    try:
        found = {int(one) for one in at}
        fine = bool(found) and all(one == int(one) for one in at)
    except (TypeError, ValueError, OverflowError):
        found, fine = set(), False
    if not fine or min(found) < 0 or max(found) > last:
        raise KShotValueError(f"`at` must be steps from 0 to {last}, those of the run; not {at!r}.")
    return found

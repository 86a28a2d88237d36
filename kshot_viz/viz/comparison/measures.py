"""Measures of the runs of a comparison, accuracy first, estimated with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kshot_viz.errors import unknown_name
from kshot_viz.study.tables import chosen_test_rows, estimates
from kshot_viz.study.task import TASK
from kshot_viz.viz.comparison.selection import (
    ComparisonLike,
    chosen_methods,
    of_way,
    ordered_methods,
    records,
)
from kshot_viz.viz.report.table import difference_text
from kshot_viz.viz.style.colours import method_label

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.study.comparison import Comparison


@dataclass(frozen=True)
class Measure:
    """A number that every run has.

    Attributes
    ----------
    label : str
    scale : float
        Factor from the column of a run to ``unit``.
    unit, difference_unit : str
        Unit of a value, and of the difference of two.
    """

    label: str
    scale: float
    unit: str
    difference_unit: str

    def of(self, name: str, rows: pd.DataFrame) -> pd.Series[float]:
        """Return the values of the measure ``name``, one for each run."""
        found = rows["support_accuracy"] - rows["accuracy"] if name == "gap" else rows[name]
        return self.scale * found

    def axis_name(self, reference: str | None) -> str:
        """Return the axis label of values, or of differences to ``reference``."""
        if reference is None:
            return f"{self.label}, {self.unit}"
        return f"{self.label}: difference to {method_label(reference)}, {self.difference_unit}"


MEASURES = {
    "accuracy": Measure("accuracy", 100.0, "%", "points"),
    "support_accuracy": Measure("accuracy on the support", 100.0, "%", "points"),
    "gap": Measure("support accuracy minus accuracy", 100.0, "points", "points"),
    "support_loss": Measure("loss on the support", 1.0, "nats", "nats"),
}


def measure_frame(
    comparison: Comparison,
    measure: str = "accuracy",
    *,
    paired: bool = False,
    reference: str = "plain",
    methods: Sequence[str] | None = None,
    way: int | None = None,
) -> pd.DataFrame:
    """Return one row per shot and method, each method at its chosen setting.

    Parameters
    ----------
    comparison : Comparison
    measure : {"accuracy", "support_accuracy", "gap", "support_loss"}
    paired : bool
        Differences to ``reference`` on the same episodes, instead of values.
    reference : str
        The method to pair with.
    methods : sequence of str, optional
        All by default.
    way : int, optional
        Number of classes; needed where the comparison has several.

    Returns
    -------
    DataFrame
        ``way, shot, method, value, low, high, n, missing, p_value, p_holm``: percent or points,
        with 95 % bootstrap intervals over ``n`` episodes. ``missing`` episodes have no value, since
        the run diverged. The p-values are those of pairs, adjusted for all rivals of a shot.

    Raises
    ------
    KShotKeyError
        For an unknown measure, method or reference.
    KShotValueError
        If there is nothing to show.
    """
    versus = reference if paired else None
    chosen = measured_methods(comparison, measure, versus, methods)
    rows = of_way(chosen_test_rows(comparison.frame), way)
    return measure_estimates(rows, measure, versus, chosen)


def accuracy_frame(comparison: ComparisonLike, way: int | None) -> pd.DataFrame:
    """Return the summary in percent: ``way, shot, method, value, low, high, n, beside``.

    ``beside`` is the difference to plain fine-tuning, as text.
    """
    rows = of_way(comparison.summary(), way)
    frame = rows[[*TASK, "method", "n"]].copy()
    frame[["value", "low", "high"]] = 100 * rows[["accuracy", "low", "high"]]
    frame["beside"] = [difference_text(row) for row in records(rows)]
    return _in_order(frame, ordered_methods(rows))


def measured_methods(
    comparison: Comparison, measure: str, reference: str | None, methods: Sequence[str] | None
) -> list[str]:
    """Return the methods to show; parameters are checked as in :func:`measure_frame`."""
    if measure not in MEASURES:
        raise unknown_name("measure", measure, MEASURES)
    known = ordered_methods(comparison.settings)
    chosen = chosen_methods(known, methods)
    if reference is not None and reference not in known:
        raise unknown_name("reference", reference, known)
    return chosen


def measure_estimates(
    rows: pd.DataFrame, measure: str, reference: str | None, methods: Sequence[str]
) -> pd.DataFrame:
    """Estimate a measure of test rows; see :func:`kshot_viz.study.tables.estimates`."""
    values = rows.assign(value=MEASURES[measure].of(measure, rows))
    return _in_order(estimates(values, "value", reference), methods)


def _in_order(frame: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Return the rows of these methods, task by task in the order of ``methods``."""
    ranks = frame["method"].map({name: rank for rank, name in enumerate(methods)})
    ranked = frame.assign(rank=ranks).dropna(subset="rank").sort_values([*TASK, "rank"])
    return ranked.drop(columns="rank").reset_index(drop=True)

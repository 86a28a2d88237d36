"""What is measured of a run: accuracy first, and what may explain it, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import unknown_name
from kshot_viz.stats import bootstrap_mean, holm, paired_test
from kshot_viz.viz.comparison.selection import chosen_methods
from kshot_viz.viz.comparison.tasks import of_way, ordered_methods, task_name, values
from kshot_viz.viz.report.table import p_text
from kshot_viz.viz.style.canvas import entitle, ink, legend_outside, new_axes, tidy
from kshot_viz.viz.style.colours import MethodStyle, method_label, method_styles
from kshot_viz.viz.style.intervals import beside, chance, dodged, interval, methods_axis, shots_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.study.comparison import Comparison

NAN = float("nan")
COLUMNS = ["way", "shot", "method", "value", "low", "high", "n", "missing", "p_value", "p_holm"]


@dataclass(frozen=True)
class Measure:
    """A number that every run has.

    Attributes
    ----------
    label : str
        What it is called.
    scale : float
        What turns it into ``unit``.
    unit, difference_unit : str
        Of a value, and of the difference of two.
    """

    label: str
    scale: float
    unit: str
    difference_unit: str

    def of(self, name: str, rows: pd.DataFrame) -> pd.Series[float]:
        """Return its values, one for each run."""
        found = rows["support_accuracy"] - rows["accuracy"] if name == "gap" else rows[name]
        return self.scale * found


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
        The method to be paired with.
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
    import pandas as pd

    if measure not in MEASURES:
        raise unknown_name("measure", measure, MEASURES)
    known = ordered_methods(comparison.settings)
    chosen = chosen_methods(known, methods)
    if paired and reference not in known:
        raise unknown_name("reference", reference, known)
    rows = comparison.frame
    rows = of_way(rows[rows["chosen"] & (rows["pool"] == "test")], way)
    rows = rows.assign(value=MEASURES[measure].of(measure, rows))
    made = [
        row
        for (size, shot), task in rows.groupby(["way", "shot"])
        for row in _task(task, known, reference if paired else None)
        if row["method"] in chosen
    ]
    return pd.DataFrame(made, columns=COLUMNS)


def plot_measure(
    comparison: Comparison,
    measure: str = "accuracy",
    *,
    paired: bool = False,
    reference: str = "plain",
    methods: Sequence[str] | None = None,
    way: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a measure against the number of shots, with 95 % intervals.

    Where there is only one number of shots, methods stand below one another instead, with their
    numbers beside them.

    Parameters
    ----------
    comparison, measure, paired, reference, methods, way
        As in :func:`measure_frame`.
    ax : Axes, optional
        Where to draw; a new figure by default.
    """
    frame = measure_frame(
        comparison, measure, paired=paired, reference=reference, methods=methods, way=way
    )
    # The reference differs from itself by nothing: it is the line that the others are read from.
    frame = frame[frame["method"] != reference] if paired and len(frame) > 1 else frame
    known, styles = MEASURES[measure], method_styles(ordered_methods(comparison.settings))
    single = len(set(frame["shot"])) == 1
    ax = new_axes(ax, (7.6, 1.5 + 0.36 * len(frame)) if single else (7.6, 4.2))
    name = _axis_name(known, reference if paired else None)
    if single:
        _dots(ax, frame, styles, paired)
        ax.set_xlabel(name, fontsize=10)
    else:
        _lines(ax, frame, styles)
        ax.set_ylabel(name, fontsize=10)
    if paired:
        (ax.axvline if single else ax.axhline)(0, color=ink(ax), linewidth=0.9, alpha=0.7, zorder=0)
    tidy(ax, grid="x" if single else "y")
    if measure == "accuracy" and not paired:
        chance(ax, int(frame["way"].iloc[0]), "x" if single else "y")
    entitle(ax, _title(known, frame, single), _note(frame, paired))
    return ax


def _task(
    task: pd.DataFrame, methods: Sequence[str], reference: str | None
) -> Iterator[dict[str, Any]]:
    wide = task.set_index(["episode", "method"])["value"].unstack("method")  # noqa: PD010
    about = {"way": int(task["way"].iloc[0]), "shot": int(task["shot"].iloc[0])}
    here = [name for name in methods if name in wide]
    made = [_row(wide, name, reference) for name in here]
    adjusted = holm([row["p_value"] for row in made])
    for name, row, p in zip(here, made, adjusted, strict=True):
        yield {**about, "method": name, **row, "p_holm": float(p)}


def _row(wide: pd.DataFrame, method: str, reference: str | None) -> dict[str, Any]:
    if reference is None:
        sample = wide[method].dropna().to_numpy()
        known = bootstrap_mean(sample) if len(sample) else None
        p_value = NAN
    else:
        both = wide[list(dict.fromkeys([method, reference]))].dropna()
        sample = both[method].to_numpy()
        test = paired_test(sample, both[reference].to_numpy()) if len(sample) else None
        known = None if test is None else test.difference
        p_value = NAN if test is None or method == reference else test.p_value
    bounds = (NAN, NAN, NAN) if known is None else (known.mean, known.low, known.high)
    return {
        **dict(zip(("value", "low", "high"), bounds, strict=True)),
        "n": len(sample),
        "missing": len(wide) - len(sample),
        "p_value": p_value,
    }


def _lines(ax: Axes, frame: pd.DataFrame, styles: dict[str, MethodStyle]) -> None:
    here = [name for name in styles if name in set(frame["method"])]
    for place, name in enumerate(here):
        part = frame[frame["method"] == name]
        interval(
            ax, part["shot"] * dodged(place, len(here)), part["value"], part, styles[name], "y"
        )
    shots_axis(ax, sorted({int(shot) for shot in frame["shot"]}))
    legend_outside(ax)


def _dots(ax: Axes, frame: pd.DataFrame, styles: dict[str, MethodStyle], paired: bool) -> None:
    for row, (_, one) in enumerate(frame.iterrows()):
        part = frame.iloc[[row]]
        interval(ax, part["value"], [row], part, styles[one["method"]], "x")
        beside(ax, row, number_text(one, paired))
    beside(ax, -0.85, "mean [95 % interval]" + (", adjusted p" if paired else ""))
    methods_axis(ax, [styles[name].label for name in frame["method"]])


def number_text(row: Any, paired: bool) -> str:
    """Return ``"71.4 [70.1, 72.6]"``, with a sign and the adjusted p where it is a difference."""
    form = "{:+.1f}" if paired else "{:.1f}"
    text = form.format(row["value"])
    if row["low"] == row["low"]:
        text += f" [{form.format(row['low'])}, {form.format(row['high'])}]"
    p = p_text(row["p_holm"])
    return f"{text}, {p}" if p else text


def _axis_name(measure: Measure, reference: str | None) -> str:
    if reference is None:
        return f"{measure.label}, {measure.unit}"
    return f"{measure.label}: difference to {method_label(reference)}, {measure.difference_unit}"


def _title(measure: Measure, frame: pd.DataFrame, single: bool) -> str:
    label = measure.label.capitalize()
    way, shot = frame[["way", "shot"]].iloc[0]
    return f"{label}, {task_name(way, shot)}" if single else f"{label} against shots, {way} classes"


def _note(frame: pd.DataFrame, paired: bool) -> str:
    kind = "paired differences" if paired else "means"
    text = f"{kind} over {values(frame['n'], 'test episode')}; bars are 95 % intervals"
    lost = int(frame["missing"].max())
    return f"{text}; up to {lost} diverged and have no value" if lost else text

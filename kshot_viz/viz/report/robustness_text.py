"""Sentences on whether the findings hold at other settings, and the numbers behind them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kshot_viz.study.findings.finding import is_clear, label, titled_tasks
from kshot_viz.study.findings.robustness import CHOSEN, DEFAULT, RULE, STEP_SIZE
from kshot_viz.study.tables import PLAIN
from kshot_viz.study.task import Task
from kshot_viz.text import counted, listed, points, points_interval, points_range
from kshot_viz.viz.comparison.selection import records

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]
# The methods of a task that sentences are about, at most.
MOST = 3
# Differences on fewer episodes show nothing about the sign.
FEWEST = 3
POOLS = {"test": "test episode", "val": "tuning episode"}
NAMES = {CHOSEN: "chosen settings", DEFAULT: "default settings", STEP_SIZE: "step size beside"}
UNKNOWN = "No other settings were run, so whether the differences hold at others is not known."
UNTUNED = "Nothing was tuned. "


def robustness_sentences(
    variants: pd.DataFrame, summary: pd.DataFrame, *, tuned: bool = True
) -> list[str]:
    """Return, for each task, whether its finding holds at the other settings that were run.

    Parameters
    ----------
    variants : DataFrame
        As of :meth:`kshot_viz.Comparison.robustness`.
    summary : DataFrame
        As of :meth:`kshot_viz.Comparison.summary`.
    tuned : bool
        Whether the settings were chosen on tuning episodes.

    Returns
    -------
    list of str
        About the methods that differ clearly from plain (at most three, the largest differences
        first); where none does, about ``"grouped"`` or else the largest difference. One sentence
        alone where no other settings were run, and none without plain.
    """
    if not len(variants):
        return []
    found = [] if tuned else [UNTUNED.strip()]
    if variants["same"].all():
        return [UNKNOWN if tuned else UNTUNED + UNKNOWN]
    for title, rows in titled_tasks(summary):
        part = Task.of(rows[0]).rows(variants)
        for row in _focus([row for row in rows if row["method"] in set(part["method"])]):
            own = records(part[part["method"] == row["method"]])
            found.append(f"{title}, {label(row['method'])} against plain: {_sentence(row, own)}")
    return found


def robustness_cells(variants: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of a table of all variants."""
    head = ["method", "classes", "shots", "settings", "of the method", "of plain"]
    head += ["difference, points", "episodes"]
    rows = [
        [
            label(row["method"]),
            str(int(row["way"])),
            str(int(row["shot"])),
            _name(row) + (" (the chosen ones)" if row["same"] and row["variant"] != CHOSEN else ""),
            _settings(row["tuned"], row["steps"]),
            _settings(row["plain_tuned"], row["plain_steps"]),
            points_interval(row["difference"], row["low"], row["high"]),
            counted(int(row["n"]), POOLS[row["pool"]]),
        ]
        for row in records(variants)
    ]
    return head, rows


def _focus(rows: list[Row]) -> list[Row]:
    """Return the methods of a task whose robustness is told."""
    rivals = [row for row in rows if row["method"] != PLAIN]
    largest = sorted(rivals, key=lambda row: -abs(row["difference"]))
    clear = [row for row in largest if is_clear(row)]
    return clear[:MOST] or [row for row in rivals if row["method"] == "grouped"] or largest[:1]


def _sentence(finding: Row, variants: list[dict[str, Any]]) -> str:
    by_pool = [
        (pool, [row for row in variants if row["pool"] == pool])
        for pool in dict.fromkeys(row["pool"] for row in variants)
    ]
    parts = [_on_pool(pool, rows) for pool, rows in by_pool]
    missing = (
        ""
        if any(row["variant"] == DEFAULT for row in variants)
        else ("The default settings were not among those that ran.")
    )
    return " ".join(
        filter(None, [*parts, _stopped(variants), missing, _verdict(finding, variants)])
    )


def _stopped(variants: list[dict[str, Any]]) -> str:
    counts = {row["n"] for row in variants if row["pool"] == "val"}
    return "Settings that were stopped early ran on fewer episodes." if len(counts) > 1 else ""


def _on_pool(pool: str, rows: list[dict[str, Any]]) -> str:
    most = int(max(row["n"] for row in rows))
    said = [_said(row, most) for row in rows if row["variant"] != STEP_SIZE]
    near = [row for row in rows if row["variant"] == STEP_SIZE]
    if near:
        said.append(_near(near, most))
    return f"On {counted(most, POOLS[pool])}: {', '.join(said)}."


def _near(near: Sequence[Row], most: int) -> str:
    """Return the range over neighbouring step sizes, without pairs of too few episodes."""
    where = "where the step size of the method, of plain, or of both is the next smaller or larger"
    rows = [row for row in near if row["n"] >= min(FEWEST, most)]
    short = counted(len(near) - len(rows), "pair")
    if not rows:
        return f"nothing {where} one ({short}, all on fewer than {FEWEST} episodes)"
    low, high = (points(end(row["difference"] for row in rows)) for end in (min, max))
    about = ", ".join(filter(None, [counted(len(rows), "pair"), _fewer(rows, most)]))
    if len(rows) < len(near):
        about += f"; {short} on fewer than {FEWEST} episodes left out"
    return f"{low if low == high else f'{low} to {high}'} {where} one ({about})"


def _fewer(rows: Sequence[Row], most: int) -> str:
    """Return ``"n = 2"`` or ``"n = 3 to 6"`` where some ran on fewer episodes than most."""
    low, high = (int(end(row["n"] for row in rows)) for end in (min, max))
    if low == most:
        return ""
    return f"n = {low}" if low == high else f"n = {low} to {high}"


def _said(row: Row, most: int) -> str:
    if row["same"] and row["variant"] != CHOSEN:
        if row["variant"] == RULE:
            return f"the rule '{row['rule']}' takes the same settings"
        return f"the {_name(row)} are the chosen ones"
    about = f" ({_defaults(row)})" if row["variant"] == DEFAULT else ""
    interval = "" if math.isnan(row["low"]) else points_range(row["low"], row["high"])
    inside = ", ".join(filter(None, [interval, _fewer([row], most)]))
    estimate = points(row["difference"]) + (f" ({inside})" if inside else "")
    return f"{estimate} at the {_name(row)}{about}"


def _defaults(row: Row) -> str:
    """Return the default settings of the method, or of plain where the method has none."""
    if json.loads(row["tuned"]):
        return _settings(row["tuned"], row["steps"])
    return f"of plain: {_settings(row['plain_tuned'], row['plain_steps'])}"


def _verdict(finding: Row, variants: Iterable[Row]) -> str:
    """Return where else the finding would have been another one.

    That is at other settings, and at the chosen ones on the episodes they were chosen on.
    """
    every = [row for row in variants if _elsewhere(row)]
    others = [row for row in every if row["n"] >= FEWEST]
    short = f"Fewer than {FEWEST} episodes show nothing about the sign."
    if not others:
        return short if every else ""
    verdict = _verdict_of(finding, others)
    return verdict if len(others) == len(every) else f"{verdict} {short}"


def _verdict_of(finding: Row, others: list[Row]) -> str:
    if is_clear(finding):
        turned = [row for row in others if row["difference"] * finding["difference"] <= 0]
        if not turned:
            return "The sign is the same at all of these."
        return f"The sign is not the same {_where(turned, others)}."
    above = [row for row in others if row["low"] > 0]
    below = [row for row in others if row["high"] < 0]
    if not above and not below:
        return "Nowhere else does the 95 % interval exclude zero."
    sides = (("above", above), ("below", below))
    where = [f"{side} zero {_where(rows, others)}" for side, rows in sides if rows]
    return f"The 95 % interval, not adjusted for the number of settings, is {listed(where)}."


def _elsewhere(row: Row) -> bool:
    return bool(row["pool"] == "val" if row["variant"] == CHOSEN else not row["same"])


def _where(some: list[Row], among: list[Row]) -> str:
    named = [f"at the {_where_ran(row)}" for row in some if row["variant"] != STEP_SIZE]
    some_near, near = (sum(row["variant"] == STEP_SIZE for row in rows) for rows in (some, among))
    if some_near:
        named.append(f"at {some_near} of {near} pairs of neighbouring step sizes")
    return listed(named)


def _where_ran(row: Row) -> str:
    return f"{_name(row)}{' on tuning episodes' if row['variant'] == CHOSEN else ''}"


def _name(row: Row) -> str:
    if row["variant"] == RULE:
        return f"settings of the rule '{row['rule']}'"
    return NAMES[row["variant"]]


def _settings(tuned: str, steps: float) -> str:
    """Return ``"lr 0.003, head_lr 0.1, 40 steps"``."""
    named = [f"{name} {_value(value)}" for name, value in json.loads(tuned).items()]
    return ", ".join([*named, counted(int(steps), "step")])


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

"""What a study showed, in sentences and tables that follow from its rows."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from kshot_viz.stats import FEW_VALUES
from kshot_viz.study.regimes.choices import REGIMES
from kshot_viz.study.regimes.tables import WHY_NOT, ran
from kshot_viz.study.tables import PLAIN
from kshot_viz.study.task import TASK
from kshot_viz.study.timing import budget_text
from kshot_viz.text import (
    aligned_table,
    counted,
    html_table,
    interval_text,
    isolated,
    listed,
    p_text,
    points,
    points_range,
    wrapped,
)

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.study.regimes.study import Study

WIDTH = 80
HEAD = ("method", "mean regret", "worst", "in", "wins-ties-losses", "diverged", "seconds")
CHOSEN_ON = {
    "blind": "other data, no label of the target",
    "own": "the k images themselves",
    "few": "a few small tuning episodes",
    "many": "all tuning episodes",
}


def verdicts(study: Study) -> list[str]:
    """Return what each regime and rule showed, a sentence or a few each."""
    return [said for _, said in _said(study, study.regret())]


def rule_verdicts(study: Study, rule: str) -> list[str]:
    """Return what each regime showed with one rule, led by the name of the regime."""
    regret = study.regret()
    said = _said(study, regret[regret["rule"] == rule])
    return [f"{regime}: {text}" for (regime, _), text in said]


def _said(study: Study, regret: pd.DataFrame) -> Iterator[tuple[tuple[str, str], str]]:
    wins = _wins(study)
    for key, part in _parts(regret):
        yield key, _verdict(study, part, wins, key)


def study_text(study: Study) -> str:
    """Return the verdicts and tables, for a terminal of 80 columns and more."""
    parts = []
    for (title, cells), said in zip(tables(study), verdicts(study), strict=True):
        parts += [title, "\n".join(wrapped(said, WIDTH)), aligned_table(HEAD, cells)]
    return "\n\n".join([_opening(study), *parts, *_notes(study)])


def study_html(study: Study) -> str:
    """Return the same as HTML."""
    parts = [
        f"<p><strong>{escape(title)}</strong></p><p>{escape(said)}</p>{html_table(HEAD, cells)}"
        for (title, cells), said in zip(tables(study), verdicts(study), strict=True)
    ]
    rest = [f"<p>{escape(one)}</p>" for one in _notes(study)]
    return "".join([f"<p>{escape(_opening(study))}</p>", *parts, *rest])


def _notes(study: Study) -> list[str]:
    """Return what a reader must know of how it was run."""
    return [*_unfit(study), *filter(None, [budget_text(study.manifest)])]


def tables(study: Study) -> list[tuple[str, list[tuple[str, ...]]]]:
    """Return a title and the cells of a table for each regime and rule."""
    regret = study.regret()
    wins = _wins(study)
    against = None if wins is None else wins.set_index(["method", "regime", "rule"])
    return [
        (
            f"{regime} (settings chosen on {CHOSEN_ON[regime]}), rule {rule!r}, on "
            f"{_sizes(study.frame, regime, rule)}",
            [_cells(row, against) for row in part.sort_values("mean").to_dict(orient="records")],
        )
        for (regime, rule), part in _parts(regret)
    ]


def _sizes(frame: pd.DataFrame, regime: str, rule: str) -> str:
    """Return how many tasks and episodes a regime has: ``"own"`` has fewer than the others."""
    rows = ran(frame[(frame["regime"] == regime) & (frame["rule"] == rule)])
    episodes = rows.groupby(TASK)["episode"].nunique()
    low, high = int(episodes.min()), int(episodes.max())
    each = counted(high, "episode") if low == high else f"{low} to {high} episodes"
    return f"{counted(len(episodes), 'task')} of {each}"


def _parts(regret: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Yield the regimes, from the fewest labels to the most, with their rules."""
    for regime in REGIMES:
        for rule, part in regret[regret["regime"] == regime].groupby("rule", sort=False):
            yield (regime, str(rule)), part


def _cells(row: Any, wins: pd.DataFrame | None) -> tuple[str, ...]:
    key = row["method"], row["regime"], row["rule"]
    against = "reference" if row["method"] == PLAIN else "-"
    if wins is not None and key in wins.index:
        against = "-".join(str(int(wins.loc[key, name])) for name in ("wins", "ties", "losses"))
    return (
        isolated(row["method"]),
        interval_text(row["mean"], row["low"], row["high"], ".1f"),
        f"{row['worst']:.1f}",
        isolated(row["worst_task"]),
        against,
        f"{100 * row['diverged']:.1f} %",
        f"{row['seconds']:.2g}",
    )


def _verdict(
    study: Study, part: pd.DataFrame, wins: pd.DataFrame | None, key: tuple[str, str]
) -> str:
    # On fewer tasks a method may be less behind because they are the easy ones.
    everywhere = part[part["tasks"] == part["tasks"].max()]
    best = everywhere.sort_values(["mean", "worst"]).iloc[0]
    safe = everywhere.sort_values(["worst", "mean"]).iloc[0]
    said = [_least_behind(everywhere, best)]
    if round(float(safe["worst"]), 1) < round(float(best["worst"]), 1):
        said.append(
            f"The smallest worst case is that of {safe['method']}: {safe['worst']:.1f} points "
            f"({safe['mean']:.1f} on average)."
        )
    fewer = part[part["tasks"] < part["tasks"].max()]["method"].tolist()
    if fewer:
        said.append(f"Not in every task, and so not compared with these: {listed(fewer)}.")
    said += _ranked(study, *key)
    if wins is not None:
        said += _groups(wins[(wins["regime"] == key[0]) & (wins["rule"] == key[1])])
    return " ".join(said)


def _least_behind(methods: pd.DataFrame, best: Any) -> str:
    """Name the methods with the smallest mean and worst regret, as far as they are shown."""
    shown = methods[["mean", "worst"]].round(1)
    alike = methods[(shown == best[["mean", "worst"]].astype(float).round(1)).all(axis=1)]
    names = [str(one) for one in alike["method"]]
    are = "is" if len(names) == 1 else "are alike and"
    return (
        f"{listed(names)} {are} least behind the best in hindsight: {best['mean']:.1f} points on "
        f"average, {best['worst']:.1f} at most."
    )


def _ranked(study: Study, regime: str, rule: str) -> list[str]:
    """Say which methods are clearly behind the best one by rank."""
    ranks = study.ranks(regime, rule=rule)
    if ranks.difference != ranks.difference:
        return []
    first = ranks.average.iloc[0]
    leading = [str(name) for name, one in ranks.average.items() if one == first]
    lead = "is first" if len(leading) == 1 else "are first alike"
    behind = [str(name) for name, one in ranks.average.items() if one - first > ranks.difference]
    differ = f"clearly behind it: {listed(behind)}" if behind else "no method is clearly behind it"
    over = counted(ranks.data_sets, "data set")
    return [
        f"By average rank over {over} {listed(leading)} {lead} "
        f"({first:.1f}); {differ} (critical difference {ranks.difference:.1f}"
        + (f", Friedman p {p_text(ranks.p_value)})." if ranks.p_value == ranks.p_value else ").")
    ]


def _groups(wins: pd.DataFrame) -> list[str]:
    """Say how groups compare with plain fine-tuning."""
    rows = wins[wins["method"] == "grouped"]
    if not len(rows):
        return []
    row = rows.iloc[0]
    tasks = int(row["wins"] + row["ties"] + row["losses"])
    text = f"grouped against plain: {points(row['difference'] / 100)} points on average"
    if row["low"] == row["low"]:
        text += f" (95 % interval {points_range(row['low'] / 100, row['high'] / 100)})"
    return [
        f"{text}; the 95 % interval of a task by itself is above zero in {int(row['wins'])} of "
        f"{counted(tasks, 'task')}, and below zero in {int(row['losses'])}; {_by_chance(row)}."
    ]


def _by_chance(row: Any) -> str:
    """Say how often equal methods differ so, see :func:`kshot_viz.stats.bootstrap_mean`."""
    if row["episodes"] < FEW_VALUES:
        return f"intervals of {counted(int(row['episodes']), 'episode')} are too narrow to count on"
    return "of equal methods that is so in 3 to 5 of 100 tasks each"


def _opening(study: Study) -> str:
    frame = study.frame
    methods, tasks = ran(frame)["method"].nunique(), len(frame[TASK].drop_duplicates())
    return (
        f"{counted(methods, 'method')} on {counted(tasks, 'task')}. Regret: points behind the "
        f"method and setting with the best mean accuracy on the task; "
        f"{_over(len(set(study.data_sets.values())))}."
    )


def _over(data_sets: int) -> str:
    """Say what intervals are over: tasks on the same images are not independent."""
    if data_sets == 1:
        return "a single data set has no interval"
    few = ", so few that they are too narrow" if data_sets < FEW_VALUES else ""
    return f"intervals are over {data_sets} data sets{few}"


def _unfit(study: Study) -> list[str]:
    """Name the methods that cannot be used on a network, and regimes that chose nothing."""
    rows = study.frame[study.frame["accuracy"].isna()]
    regimes = rows["status"].isin([f"not applicable: {why}" for why in WHY_NOT.values()])
    methods = rows[~regimes][["method", "backbone", "status"]].drop_duplicates()
    tasks = rows[regimes][["regime", "shot", "status"]].drop_duplicates()
    return [
        *(f"{one} on {network}: {status}." for one, network, status in methods.to_numpy()),
        *(f"{one} at {counted(shot, 'shot')}: {status}." for one, shot, status in tasks.to_numpy()),
    ]


def _wins(study: Study) -> pd.DataFrame | None:
    """Return how the methods did against plain fine-tuning; None without it or without rivals."""
    if PLAIN not in set(study.frame["method"]):
        return None
    wins = study.wins()
    return wins if len(wins) else None

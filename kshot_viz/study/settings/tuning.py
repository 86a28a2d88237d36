"""Run the grid on tuning episodes: stop what is clearly behind, and grow the grid at its edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kshot_viz.data.episodes.episode import Episode
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.study.settings.choice import at_chance, choose, tried
from kshot_viz.study.settings.grid import TuningGrid
from kshot_viz.study.settings.racing import Run, run_raced

if TYPE_CHECKING:
    import pandas as pd

# Only step sizes have values beyond those given.
GROWING = ("lr", "head_lr")
EDGES = (*GROWING, "steps")

Values = dict[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Tuner:
    """How the settings of a task are tried.

    Attributes
    ----------
    run : callable
        Returns the rows of candidates on episodes, at all step counts of the grid.
    rivals : sequence of Candidate
    grid : TuningGrid
    rule : str
        As in :func:`kshot_viz.study.settings.choice.choose`.
    race : bool
        Stop settings that are clearly behind.
    """

    run: Run
    rivals: Sequence[Candidate]
    grid: TuningGrid
    rule: str
    race: bool


@dataclass(frozen=True, eq=False)
class Tuned:
    """What was tried on the tuning episodes of one task.

    Attributes
    ----------
    tuner : Tuner
    rows : DataFrame
        As of :func:`kshot_viz.evaluate`, with ``stopped``: the setting was clearly behind after
        some episodes and did not run on the others.
    candidates : tuple of Candidate
        Every setting that was tried.
    values : mapping of str to mapping
        The values tried for each tuned setting of each method.
    """

    tuner: Tuner
    rows: pd.DataFrame
    candidates: tuple[Candidate, ...]
    values: Mapping[str, Values]

    @property
    def settings(self) -> pd.DataFrame:
        """The chosen settings, with ``edge``: where one is the smallest or largest tried."""
        found = choose(self.rows, self.tuner.rule)
        return found.assign(edge=[self._edge(row) for _, row in found.iterrows()])

    def _edge(self, row: pd.Series[Any]) -> str:
        tried = self.values[row["method"]] | {"steps": self.tuner.grid.steps}
        sides = {name: (values[0], values[-1]) for name, values in tried.items() if name in EDGES}
        return ", ".join(
            f"{name} {word}"
            for name, ends in sides.items()
            for word, end in zip(("smallest", "largest"), ends, strict=True)
            if ends[0] != ends[1] and row[name] == end
        )


def tune(tuner: Tuner, episodes: Sequence[Episode]) -> Tuned:
    """Try the whole grid on the tuning episodes of one task, and what lies beyond its edges."""
    values = {one.name: tuner.grid.tuned(one.method) for one in tuner.rivals}
    new = [each for one in tuner.rivals for each in tuner.grid.candidates(one)]
    found = Tuned(tuner, run_raced(tuner.run, episodes, new, race=tuner.race), tuple(new), values)
    for _ in range(tuner.grid.extend):
        grown = _grown(tuner, found)
        if len(grown.candidates) == len(found.candidates):
            break
        new = list(grown.candidates[len(found.candidates) :])
        found = replace(
            grown, rows=run_raced(tuner.run, episodes, new, found.rows, race=tuner.race)
        )
    return found


def _grown(tuner: Tuner, found: Tuned) -> Tuned:
    """Return what was tried with the candidates of one more value where a best one is at an edge.

    All methods that began with the same values get it, since they must have the same to choose
    from. The rows of the new candidates are still to come.
    """
    given = {one.name: tuner.grid.tuned(one.method) for one in tuner.rivals}
    wanted: dict[tuple[str, tuple[Any, ...]], set[float]] = {}
    for rival in tuner.rivals:
        for name, value in _beyond(tuner, rival, found).items():
            wanted.setdefault((name, given[rival.name][name]), set()).add(value)
    new, values = list(found.candidates), dict(found.values)
    for rival in tuner.rivals:
        for name, begun in given[rival.name].items():
            added = sorted(wanted.get((name, begun), set()) - set(values[rival.name][name]))
            if added:
                new += tuner.grid.candidates(rival, values[rival.name] | {name: added})
                wider = tuple(sorted((*values[rival.name][name], *added)))
                values[rival.name] = values[rival.name] | {name: wider}
    return replace(found, candidates=tuple(new), values=values)


def _beyond(tuner: Tuner, rival: Candidate, found: Tuned) -> dict[str, float]:
    """Return one more value of each step size whose best or chosen value is at an edge.

    Below the smallest only where accuracy still rises towards it, or where no value is better than
    guessing: a chosen one is small on purpose.
    """
    given = tuner.grid.tuned(rival.method)
    rows = found.rows[found.rows["method"] == rival.name]
    best, chosen = (choose(rows, rule).iloc[0] for rule in ("best", tuner.rule))
    settings, _ = tried(rows)
    guarded = tuner.rule == "guarded"
    safe = settings[settings["nearby"] == settings["nearby"].min()] if guarded else settings
    top = safe.iloc[int(safe["val_accuracy"].to_numpy().argmax())]
    nothing = at_chance(top["val_accuracy"], top["n_query"], rows["way"].iloc[0])
    added = {}
    for name in (name for name in GROWING if len(given.get(name, ())) > 1):
        values = found.values[rival.name][name]
        larger = safe["val_accuracy"][safe[name] > values[0]]
        rising = larger.empty or top["val_accuracy"] > larger.max()
        if top[name] == values[0] and (nothing or rising):
            added[name] = next_value(values[::-1])
        elif values[-1] in (best[name], chosen[name]):
            added[name] = next_value(values)
    return added


def next_value(values: Sequence[float]) -> float:
    """Return the value that goes on from the last ones, which grow or shrink by ratios in turn.

    ``(0.003, 0.01, 0.03)`` goes on with 0.1.
    """
    before = values[-3] if len(values) > 2 else values[-2] ** 2 / values[-1]
    ratio = values[-2] / before
    return float(f"{values[-1] * ratio:.3g}")

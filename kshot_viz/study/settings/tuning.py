"""Run the grid on tuning episodes: stop what is clearly behind, and grow the grid at its edges."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kshot_viz.data.episodes.episode import Episode
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.study.settings.choice import choose
from kshot_viz.study.settings.edges import Edges
from kshot_viz.study.settings.grid import TuningGrid
from kshot_viz.study.settings.racing import Run, run_raced

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)
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
    candidates : sequence of Candidate
        What is tried at first: the rivals at the settings of the grid, and at others.
    grid : TuningGrid
    rule : str
        As in :func:`kshot_viz.study.settings.choice.choose`.
    race : bool
        Stop settings that are clearly behind.
    """

    run: Run
    rivals: Sequence[Candidate]
    candidates: Sequence[Candidate]
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
        """The chosen settings, with ``edge``: which one is better at the smallest or largest value.

        Where values inside are as good, the grid is wide enough.
        """
        found = choose(self.rows, self.tuner.rule)
        return found.assign(edge=[self._edge(name) for name in found["method"]])

    def _edge(self, method: str) -> str:
        edges = Edges.of(self.rows[self.rows["method"] == method], self.tuner.rule)
        tried = self.values[method] | {"steps": self.tuner.grid.steps}
        found = []
        for name in (one for one in EDGES if len(tried.get(one, ())) > 1):
            values = tried[name]
            if edges.better_below(name, values[0]):
                found.append(f"{name} smallest")
            if edges.better_above(name, values[-1]):
                found.append(f"{name} largest")
        return ", ".join(found)


def tune(tuner: Tuner, episodes: Sequence[Episode]) -> Tuned:
    """Try the whole grid on the tuning episodes of one task, and what lies beyond its edges."""
    values = {one.name: tuner.grid.tuned(one.method) for one in tuner.rivals}
    new = list(tuner.candidates)
    found = Tuned(tuner, run_raced(tuner.run, episodes, new, race=tuner.race), tuple(new), values)
    for _ in range(tuner.grid.extend):
        grown = _grown(tuner, found)
        if grown.values == found.values:
            break
        new = list(grown.candidates[len(found.candidates) :])
        if not new:
            # Ready-made candidates had run at these values.
            found = grown
            continue
        _log.info("the grid grows by %d settings: a best one is at its edge", len(new))
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
    known = {(one.name, one.setting_key) for one in found.candidates}
    for rival in tuner.rivals:
        for name, begun in given[rival.name].items():
            added = sorted(wanted.get((name, begun), set()) - set(values[rival.name][name]))
            if added:
                more = tuner.grid.candidates(rival, values[rival.name] | {name: added})
                new += [one for one in more if (one.name, one.setting_key) not in known]
                wider = tuple(sorted((*values[rival.name][name], *added)))
                values[rival.name] = values[rival.name] | {name: wider}
    return replace(found, candidates=tuple(new), values=values)


def _beyond(tuner: Tuner, rival: Candidate, found: Tuned) -> dict[str, float]:
    """Return one more value of each step size that may be better beyond an edge."""
    rows = found.rows[found.rows["method"] == rival.name]
    given = tuner.grid.tuned(rival.method)
    edges = Edges.of(rows, tuner.rule)
    added = {}
    for name in (name for name in GROWING if len(given.get(name, ())) > 1):
        values = found.values[rival.name][name]
        if edges.better_below(name, values[0]):
            added[name] = next_value(values[::-1])
        elif edges.better_above(name, values[-1]):
            added[name] = next_value(values)
    return added


def next_value(values: Sequence[float]) -> float:
    """Return the value that goes on from the last ones, which grow or shrink by ratios in turn.

    ``(0.003, 0.01, 0.03)`` goes on with 0.1.
    """
    before = values[-3] if len(values) > 2 else values[-2] ** 2 / values[-1]
    ratio = values[-2] / before
    return float(f"{values[-1] * ratio:.3g}")

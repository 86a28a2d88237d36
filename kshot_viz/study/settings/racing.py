"""Run settings on tuning episodes, of which those that are clearly behind stop early."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.data.episodes.episode import Episode
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.study.settings.choice import SETTING, clearly_less, standing
from kshot_viz.study.tables import joined

if TYPE_CHECKING:
    import pandas as pd

# After so many episodes it is looked which settings are clearly behind.
LOOKS = (2, 3, 4, 6, 8, 12, 16)
# Behind by so many standard errors, as of independent queries. With 1.5, or a look after the first
# episode, fewer than 95 of 100 choices on photographs stay as they are (docs/results/choice.md).
BEHIND = 2.0

# A setting of a method, at a step count.
Key = tuple[str, str, int]
_KEY = ["method", *SETTING]

Run = Callable[[Sequence[Episode], Sequence[Candidate]], "pd.DataFrame"]


def run_raced(
    run: Run,
    episodes: Sequence[Episode],
    new: Sequence[Candidate],
    rows: pd.DataFrame | None = None,
    *,
    race: bool,
) -> pd.DataFrame:
    """Return ``rows`` and those of new candidates, with ``stopped``.

    Parameters
    ----------
    run : callable
        Returns the rows of candidates on episodes, at all step counts of the grid that a candidate
        reaches.
    episodes : sequence of Episode
        The tuning episodes of one task.
    new : sequence of Candidate
    rows : DataFrame, optional
        Of other candidates on the same episodes.
    race : bool
        Stop what is clearly behind: a run goes no further than the longest step count that is not,
        and where there is none, the setting does not run. Else every candidate runs as it is on
        every episode.
    """
    looks = [end for end in LOOKS if race and end < len(episodes)]
    for end in (*looks, len(episodes)):
        # What was ahead may collapse later; then what stopped because of it goes on.
        while lacking := _lacking(episodes[:end], new, rows if race else None):
            parts = [run(missing, some) for missing, some in lacking.items()]
            # A run that goes on further repeats what a shorter one did.
            rows = joined(rows, *parts).drop_duplicates([*_KEY, "episode"], ignore_index=True)
            if not race:
                break
    assert rows is not None
    ran = rows.groupby(_KEY)["episode"].transform("nunique")
    return rows.assign(stopped=ran < len(episodes))


def clearly_behind(rows: pd.DataFrame) -> set[Key]:
    """Return the settings and step counts that are clearly behind their method's best.

    Each is compared on the episodes that it ran on, the first ones, with the best one that has not
    collapsed, nor a neighbour of it: what is on the brink is chosen by no one.
    """
    return {(str(method), *key) for method, part in rows.groupby("method") for key in _behind(part)}


def _behind(rows: pd.DataFrame) -> set[tuple[str, int]]:
    """Return the settings and step counts of one method that are clearly behind."""
    best, found = _best_so_far(rows), set()
    key: Any
    for key, own in rows.groupby(SETTING, sort=False):
        share, n = own["accuracy"].mean(), own["n_query"].sum()
        if clearly_less(share, best[len(own) - 1], n, errors=BEHIND):
            found.add((str(key[0]), int(key[1])))
    return found


def _best_so_far(rows: pd.DataFrame) -> np.ndarray:
    """Return the best mean accuracy over the first 1, 2, ... episodes, of what is safe.

    NaN, with which nothing compares, where nothing is.
    """
    settings = standing(rows)
    safe = settings.loc[settings["nearby"] == 0, SETTING]
    means = np.full(rows["episode"].nunique(), np.nan)
    for _, own in rows.merge(safe, on=SETTING).groupby(SETTING, sort=False):
        found = own["accuracy"].to_numpy(dtype=float).cumsum() / np.arange(1, len(own) + 1)
        means[: len(own)] = np.fmax(means[: len(own)], found)
    return means


def _lacking(
    episodes: Sequence[Episode], new: Sequence[Candidate], rows: pd.DataFrame | None
) -> dict[tuple[Episode, ...], list[Candidate]]:
    """Return the candidates that are not clearly behind, by the episodes that they lack."""
    if rows is None:
        return {tuple(episodes): list(new)}
    behind, ran = clearly_behind(rows), _episodes_run(rows)
    found: dict[tuple[Episode, ...], list[Candidate]] = {}
    for one in new:
        alive = {
            steps: ran.get((one.name, one.setting_key, steps), 0)
            for steps in _counts(one, ran)
            if (one.name, one.setting_key, steps) not in behind
        }
        for longest, lacks in _longest(alive, len(episodes)).items():
            missing = tuple(episodes[at] for at in lacks)
            found.setdefault(missing, []).append(one.at(steps=longest))
    return found


def _episodes_run(rows: pd.DataFrame) -> dict[Key, int]:
    """Return the number of episodes that each setting and step count ran on."""
    ran: Any = rows.groupby(_KEY)["episode"].nunique().to_dict()
    return dict(ran)


def _counts(candidate: Candidate, ran: Mapping[Key, int]) -> list[int]:
    """Return the step counts that runs of a candidate serve."""
    last = candidate.config.steps
    if candidate.method.scheduled:
        return [last]
    own = (candidate.name, candidate.setting_key)
    return [steps for *key, steps in ran if tuple(key) == own and steps <= last] or [last]


def _longest(alive: Mapping[int, int], episodes: int) -> dict[int, list[int]]:
    """Return which episodes are to be run up to which step count.

    ``alive`` holds the number of episodes that each step count ran on, the first ones.
    """
    found: dict[int, list[int]] = {}
    for at in range(episodes):
        lacking = [steps for steps, ran in alive.items() if ran <= at]
        if lacking:
            found.setdefault(max(lacking), []).append(at)
    return found

"""Run settings on tuning episodes, of which those that are clearly behind stop early."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kshot_viz.data.episodes.episode import Episode
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.study.settings.choice import SETTING, clearly_less, standing
from kshot_viz.study.tables import joined

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)
# After so many episodes it is looked which settings are clearly behind.
LOOKS = (1, 2, 4, 8, 16)
# Behind by so many standard errors, as of independent queries.
BEHIND = 1.5

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
        Returns the rows of candidates on episodes, at all step counts.
    episodes : sequence of Episode
        The tuning episodes of one task.
    new : sequence of Candidate
    rows : DataFrame, optional
        Of other candidates on the same episodes.
    race : bool
        Stop what is clearly behind; else every candidate runs on every episode.
    """
    looks = [end for end in LOOKS if race and end < len(episodes)]
    for end in (*looks, len(episodes)):
        # What was ahead may collapse later; then what stopped because of it goes on.
        while lacking := _lacking(episodes[:end], new, rows if race else None):
            going = sum(map(len, lacking.values()))
            _log.debug("%d of %d settings run until episode %d", going, len(new), end)
            parts = [run(missing, some) for missing, some in lacking.items()]
            rows = joined(rows, *parts)
            if not race:
                break
    assert rows is not None
    ran = rows.groupby(["method", "setting"])["episode"].transform("nunique")
    return rows.assign(stopped=ran < len(episodes))


def clearly_behind(rows: pd.DataFrame) -> set[tuple[str, str]]:
    """Return (method, setting) of what is clearly behind its method's best at all step counts.

    Each setting is compared on the episodes that it ran on, the first ones, with the best one that
    has not collapsed, nor a neighbour of it: what is on the brink is chosen by no one.
    """
    return {
        (str(method), setting)
        for method, part in rows.groupby("method")
        for setting in _behind(part)
    }


def _behind(rows: pd.DataFrame) -> set[str]:
    """Return the settings of one method that are clearly behind."""
    best, made = _best_so_far(rows), []
    for (setting, _), own in rows.groupby(SETTING, sort=False):
        share, n = own["accuracy"].mean(), own["n_query"].sum()
        made.append((str(setting), clearly_less(share, best[len(own) - 1], n, errors=BEHIND)))
    return {one for one, _ in made} - {one for one, behind in made if not behind}


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
    behind, ran = clearly_behind(rows), rows.groupby(["method", "setting"])["episode"].nunique()
    found: dict[tuple[Episode, ...], list[Candidate]] = {}
    for one in new:
        key = one.name, one.setting_key
        missing = tuple(episodes[ran.get(key, 0) :])
        if missing and key not in behind:
            found.setdefault(missing, []).append(one)
    return found

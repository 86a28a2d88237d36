"""Which setting of a method is taken, from its accuracies on the tuning episodes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.errors import unknown_name
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.study.task import TASK

if TYPE_CHECKING:
    import pandas as pd

# What identifies a setting of a method: `setting` is the key of a candidate whatever its steps.
SETTING = ["setting", "steps"]
# Smaller comes first: the step sizes, the body's before the head's, then the number of steps.
ORDER = ["lr", "head_lr", "steps"]
METHOD = [*TASK, "method"]
_SHOWN = ["step_size", "tuned", "lr", "head_lr", *SETTING]
# Accuracies are shares of one count; what differs by rounding alone is a tie.
_DIGITS = 12


def choose(frame: pd.DataFrame, rule: str = "guarded") -> pd.DataFrame:
    """Return the setting that a rule takes for each task and method.

    Parameters
    ----------
    frame : DataFrame
        Rows of tuning episodes.
    rule : {"guarded", "best"}
        ``"best"`` takes the best mean accuracy. ``"guarded"`` first leaves out every setting that
        collapsed in a tuning episode, or whose neighbour did: at the number of steps before or
        after, or at the next larger step size (where every setting is such a one, all but those
        that collapsed least often). Of the rest it takes the smallest step size with a mean within
        one standard error of the best, and there the best of the other settings.

    Returns
    -------
    DataFrame
        The task, ``method, step_size, tuned, lr, head_lr, setting, steps, val_accuracy, n_val,
        collapsed, margin, rule``: the mean accuracy over ``n_val`` episodes, the number of episodes
        in which the setting collapsed, and how far its mean is above that of the best setting with
        another step size (below where negative).

    Raises
    ------
    KShotKeyError
        For an unknown rule.

    Notes
    -----
    A run collapsed if it diverged, or if its accuracy is no better than guessing although one with
    no larger step sizes and no more steps is clearly better in the same episode, or its own mean
    is; a run that has not learned yet did not collapse. The standard
    error is that of the paired difference over episodes, and at most that of the best mean as a
    share of all queries; the rule follows Breiman et al., Classification and Regression Trees
    (1984).
    """
    import pandas as pd

    take = RULES[known_rule(rule)]
    found = [_chosen(part, take) for _, part in frame.groupby(METHOD, sort=False)]
    return pd.DataFrame(found).assign(rule=rule)


def both_rules(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what each rule takes, a row each, for every task and method of tuning rows."""
    import pandas as pd

    parts = [part for _, part in frame.groupby(METHOD, sort=False)]
    found = [choose(part, rule) for part in parts for rule in RULES]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def known_rule(name: str, argument: str = "choose") -> str:
    """Return the name of a rule, or raise a KShotKeyError that names the argument."""
    if name not in RULES:
        raise unknown_name(argument, name, RULES)
    return name


def collapsed(frame: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows are of runs that collapsed; see :func:`choose`."""
    accuracy, n = frame["accuracy"], frame["n_query"]
    gentler = np.empty(len(frame))
    for rows in frame.groupby([*METHOD, "episode"], sort=False).indices.values():
        gentler[rows] = _best_gentler(frame.iloc[rows])
    # Its own mean serves where the other settings stopped before this episode.
    own = accuracy.groupby([frame[name] for name in [*METHOD, *SETTING]]).transform("mean")
    better = clearly_less(accuracy, np.maximum(gentler, own), n)
    return (frame["status"] != "ok") | (at_chance(accuracy, n, frame["way"]) & better)


def _best_gentler(rows: pd.DataFrame) -> np.ndarray:
    """Return, for rows of one method in one episode, the best with no larger size of any step."""
    sizes = rows[ORDER].to_numpy(dtype=float)
    gentler = (sizes[None] <= sizes[:, None]).all(axis=2)
    return np.where(gentler, rows["accuracy"].to_numpy(dtype=float), -np.inf).max(axis=1)


def at_chance(accuracy: Any, n: Any, way: Any) -> Any:
    """Return whether guessing reaches such a share of ``n`` queries in one case of twenty."""
    from scipy.stats import binom

    return np.round(accuracy, _DIGITS) <= np.round(binom.ppf(0.95, n, 1 / way) / n, _DIGITS)


def clearly_less(share: Any, best: Any, n: Any, *, errors: float = 2.0) -> Any:
    """Return whether a share is below another one by more than some standard errors.

    They are those of the difference of shares of ``n`` independent queries each. Those of the same
    queries are correlated, so the true error is smaller and too few differences count as clear.
    """
    spread = (share * (1 - share) + best * (1 - best)) / n
    return best - share > errors * np.sqrt(spread) + 10.0**-_DIGITS


def tried(rows: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the settings of one method on one task, smaller ones first, and their accuracies.

    Settings that were stopped early are left out, so that all means are over the same episodes.

    Returns
    -------
    settings : DataFrame
        As of :func:`standing`.
    accuracies : ndarray, shape (settings, episodes)
    """
    settings = standing(rows)
    settings = settings[settings["n_val"] == settings["n_val"].max()].reset_index(drop=True)
    keys = settings[SETTING].assign(at=settings.index)
    ordered = rows.merge(keys, on=SETTING).sort_values(["at", "episode"], kind="stable")
    return settings, ordered["accuracy"].to_numpy(dtype=float).reshape(len(settings), -1)


def standing(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the settings of one method on one task, smaller ones first.

    Returns
    -------
    DataFrame
        What names a setting, and ``val_accuracy, n_val, n_query`` (of all episodes), ``collapsed``
        (in how many) and ``nearby``: as ``collapsed``, of it or a neighbour if that has more.
        Neighbours have the number of steps before or after, or the next larger step size.
    """
    groups = rows.assign(collapsed=collapsed(rows)).groupby(_SHOWN, sort=False)
    found = groups.agg(
        val_accuracy=("accuracy", "mean"),
        n_val=("accuracy", "size"),
        n_query=("n_query", "sum"),
        collapsed=("collapsed", "sum"),
    ).reset_index()
    found["beside"] = found["tuned"].map(beside)
    found = found.sort_values(["step_size", "steps"], kind="stable")
    by_steps = _most(found["collapsed"], found, ["step_size", "beside"], (-1, 1))
    by_size = _most(found["collapsed"], found, ["steps", "beside"], (-1,))
    found["nearby"] = np.maximum(by_steps, by_size)
    return found.drop(columns="beside").sort_values(ORDER, kind="stable").reset_index(drop=True)


def _most(
    counts: pd.Series[Any], settings: pd.DataFrame, by: list[str], moves: Sequence[int]
) -> pd.Series[Any]:
    """Return the largest of a count and its neighbours in groups of ordered settings."""
    import pandas as pd

    groups = counts.groupby([settings[name] for name in by])
    return pd.concat([counts, *(groups.shift(move) for move in moves)], axis=1).max(axis=1)


def beside(tuned: str) -> str:
    """Name the tuned settings but the first one, over which accuracy is drawn."""
    return json.dumps(list(json.loads(tuned).items())[1:])


def _chosen(rows: pd.DataFrame, rule: Rule) -> dict[str, Any]:
    settings, accuracies = tried(rows)
    index = rule(settings, accuracies)
    chosen = settings.loc[index].drop(["n_query", "nearby"])
    others = settings["val_accuracy"][settings["step_size"] != chosen["step_size"]]
    margin = round(chosen["val_accuracy"] - others.max(), _DIGITS)
    return {**{name: rows[name].iloc[0] for name in METHOD}, **dict(chosen), "margin": margin}


def tuned_settings(candidate: Candidate) -> str:
    """Return the settings that a candidate's method tunes as JSON, the drawn one first."""
    return json.dumps({name: candidate.setting(name) for name in candidate.method.tuned})


Rule = Callable[["pd.DataFrame", np.ndarray], int]


def _best(settings: pd.DataFrame, accuracies: np.ndarray) -> int:
    """Return the first of the settings with the best mean."""
    return int(rounded_mean(accuracies).argmax())


def _guarded(settings: pd.DataFrame, accuracies: np.ndarray) -> int:
    """Return the setting with the smallest step size that is safe and as good as the best."""
    safe = np.flatnonzero(settings["nearby"] == settings["nearby"].min())
    best = safe[_best(settings, accuracies[safe])]
    behind = accuracies[best] - accuracies[safe]
    error = standard_error(behind, accuracies[best].mean(), settings["n_query"].iloc[0])
    good = safe[(behind.mean(axis=1) - error).round(_DIGITS) <= 0]
    sizes = settings["step_size"].to_numpy()[good]
    small = good[sizes == sizes.min()]
    return int(small[_best(settings, accuracies[small])])


def rounded_mean(accuracies: np.ndarray) -> np.ndarray:
    """Return the mean over episodes, in which what differs by rounding alone is a tie."""
    return accuracies.mean(axis=1).round(_DIGITS)


def standard_error(behind: np.ndarray, share: float, n_query: float) -> np.ndarray:
    """Return the standard error of differences over episodes, shape (settings, episodes).

    At most that of a share of all queries: two or three differences alone tell little about theirs.
    """
    n = behind.shape[1]
    most = np.full(len(behind), np.sqrt(share * (1 - share) / n_query))
    return np.minimum(behind.std(axis=1, ddof=1) / np.sqrt(n), most) if n > 1 else most


RULES: dict[str, Rule] = {"guarded": _guarded, "best": _best}

"""Which setting of a method is taken, from its accuracies on the tuning episodes."""

from __future__ import annotations

import json
from collections.abc import Callable
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
        collapsed in a tuning episode, at its own or at a neighbouring number of steps (where every
        setting collapsed somewhere, all but those that did so least often). Of the rest it takes
        the smallest step size with a mean within one standard error of the best, and there the best
        of the other settings.

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
    A run collapsed if it diverged, or if its accuracy is no better than guessing while another
    setting of the method is clearly better in the same episode, or its own mean is. The standard
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


def known_rule(name: str) -> str:
    """Return the name of a rule, or raise a KShotKeyError."""
    if name not in RULES:
        raise unknown_name("choose", name, RULES)
    return name


def collapsed(frame: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows are of runs that collapsed; see :func:`choose`."""
    accuracy, n = frame["accuracy"], frame["n_query"]
    others = accuracy.groupby([frame[name] for name in [*METHOD, "episode"]]).transform("max")
    # Its own mean serves where the other settings stopped before this episode.
    own = accuracy.groupby([frame[name] for name in [*METHOD, *SETTING]]).transform("mean")
    better = clearly_less(accuracy, np.maximum(others, own), n)
    return (frame["status"] != "ok") | (at_chance(accuracy, n, frame["way"]) & better)


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
        What names a setting, and ``val_accuracy, n_val, n_query`` (of all episodes),
        ``collapsed``.
    accuracies : ndarray, shape (settings, episodes)
    """
    counts = rows.groupby(SETTING)["episode"].transform("size")
    whole = rows.assign(collapsed=collapsed(rows))[counts == counts.max()]
    whole = whole.sort_values([*ORDER, "episode"], kind="stable")
    found = whole.groupby(_SHOWN, sort=False).agg(
        val_accuracy=("accuracy", "mean"),
        n_val=("accuracy", "size"),
        n_query=("n_query", "sum"),
        collapsed=("collapsed", "sum"),
    )
    accuracies = whole["accuracy"].to_numpy(dtype=float).reshape(len(found), -1)
    return found.reset_index(), accuracies


def _chosen(rows: pd.DataFrame, rule: Rule) -> dict[str, Any]:
    settings, accuracies = tried(rows)
    index = rule(settings, accuracies)
    chosen = settings.loc[index].drop("n_query")
    others = settings["val_accuracy"][settings["step_size"] != chosen["step_size"]]
    margin = round(chosen["val_accuracy"] - others.max(), _DIGITS)
    return {**{name: rows[name].iloc[0] for name in METHOD}, **dict(chosen), "margin": margin}


def tuned_settings(candidate: Candidate) -> str:
    """Return the settings that a candidate's method tunes as JSON, the drawn one first."""
    return json.dumps({name: candidate.setting(name) for name in candidate.method.tuned})


Rule = Callable[["pd.DataFrame", np.ndarray], int]


def _best(settings: pd.DataFrame, accuracies: np.ndarray) -> int:
    """Return the first of the settings with the best mean."""
    return int(np.argmax(accuracies.mean(axis=1).round(_DIGITS)))


def _guarded(settings: pd.DataFrame, accuracies: np.ndarray) -> int:
    """Return the setting with the smallest step size that is safe and as good as the best."""
    near = _collapsed_nearby(settings)
    safe = np.flatnonzero(near == near.min())
    best = safe[_best(settings, accuracies[safe])]
    behind = accuracies[best] - accuracies[safe]
    error = _standard_error(behind, accuracies[best].mean(), settings["n_query"].iloc[0])
    good = safe[(behind.mean(axis=1) - error).round(_DIGITS) <= 0]
    sizes = settings["step_size"].to_numpy()[good]
    small = good[sizes == sizes.min()]
    return int(small[_best(settings, accuracies[small])])


def _standard_error(behind: np.ndarray, share: float, n_query: float) -> np.ndarray:
    """Return the standard error of differences over episodes, shape (settings, episodes).

    At most that of a share of all queries: two or three differences alone tell little about theirs.
    """
    n = behind.shape[1]
    most = np.full(len(behind), np.sqrt(share * (1 - share) / n_query))
    return np.minimum(behind.std(axis=1, ddof=1) / np.sqrt(n), most) if n > 1 else most


def _collapsed_nearby(settings: pd.DataFrame) -> np.ndarray:
    """Count collapsed episodes of each setting, or of a neighbouring number of steps if more."""
    own = settings.sort_values("steps").groupby("setting")["collapsed"]
    sides = [own.shift(by).fillna(0) for by in (-1, 0, 1)]
    return np.maximum.reduce([one.reindex(settings.index).to_numpy() for one in sides])


RULES: dict[str, Rule] = {"guarded": _guarded, "best": _best}

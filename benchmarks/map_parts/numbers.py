"""The numbers that count, fixed before a test episode was looked at.

For every regime: how far the best variant of groups is from plain fine-tuning with the same start
of the head, and from the best rival. Variants whose head is imprinted came later, after maps of
others had been read. Which variant and which rival are the best of a task is decided on the tasks
of *other* data, so nothing is chosen by the accuracy that it is then given. Differences are means
over the tasks of each data set first, and the interval is over data sets: tasks on the same images
are not independent. In how many tasks the variant is not clearly worse than plain is counted too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kshot_viz.stats import bootstrap_mean
from kshot_viz.study.regimes.tables import paired_difference, ran
from kshot_viz.study.tables import by_method

PLAIN = "plain"
GROUPS = (
    "grouped",
    "weight_groups",
    "signed_groups",
    "soft_groups",
    "input_groups",
    "regrouped",
    "correlation_groups",
    "gradient_groups",
    "half_own",
    "imprinted_groups",
    "imprinted_half_own",
)
# Groupings without meaning are the controls of groups, and neither variants nor rivals.
CONTROLS = ("shuffled", "imprinted_shuffled")
# What a variant is compared with: plain fine-tuning from the same start of the head.
PLAIN_OF = {"imprinted_groups": "imprinted_plain", "imprinted_half_own": "imprinted_plain"}
TASK = ["data", "backbone", "shot"]


def headline(regrets: pd.DataFrame, episodes: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each regime and rule, in points.

    Parameters
    ----------
    regrets : DataFrame
        Of :meth:`kshot_viz.Study.regrets`.
    episodes : DataFrame
        ``frame`` of the study.

    Returns
    -------
    DataFrame
        ``regime, rule, tasks``; ``to_plain, to_plain_low, to_plain_high`` and the same of
        ``to_rival``; ``not_worse, compared``: the tasks in which groups win against plain or tie
        with it, of those in which both took part;
        ``worst_groups, worst_plain``: their largest regret.
    """
    made = []
    for (regime, rule), part in regrets.groupby(["regime", "rule"], sort=False):
        wide = part.pivot_table("accuracy", TASK, "method", sort=False)
        behind = part.pivot_table("regret", TASK, "method", sort=False)
        if PLAIN not in wide:
            continue
        groups = best_elsewhere(wide, [one for one in GROUPS if one in wide])
        rivals = best_elsewhere(wide, rivals_of(wide))
        mine, theirs = taken(wide, groups), taken(wide, rivals)
        rows = ran(episodes[(episodes["regime"] == regime) & (episodes["rule"] == rule)])
        made.append(
            {"regime": regime, "rule": rule, "tasks": len(wide)}
            | _difference("to_plain", mine - taken(wide, groups.map(plain_of)))
            | _difference("to_rival", mine - theirs)
            | _not_worse(rows, groups)
            | {"worst_groups": taken(behind, groups).max(), "worst_plain": behind[PLAIN].max()}
        )
    return pd.DataFrame(made)


def plain_of(variant: str) -> str:
    """Return the plain fine-tuning that a variant of groups is compared with."""
    return PLAIN_OF.get(variant, PLAIN)


def rivals_of(wide: pd.DataFrame) -> list[str]:
    """Return the methods that are neither groups, nor plain, nor the control."""
    return [one for one in wide if one not in (*GROUPS, *CONTROLS, PLAIN)]


def best_elsewhere(wide: pd.DataFrame, methods: Sequence[str]) -> pd.Series:
    """Return, for every task, the method that is best on the tasks of other data.

    Best is the largest mean difference to plain, over the tasks in which the method took part.
    Where there is no other data, the first.
    """
    above = wide[list(methods)].sub(wide[PLAIN], axis=0)
    data = wide.index.get_level_values("data")
    found = [
        above[data != own].mean().idxmax() if (data != own).any() else methods[0] for own in data
    ]
    return pd.Series(found, index=wide.index)


def taken(wide: pd.DataFrame, methods: pd.Series) -> pd.Series:
    """Return the value of the method of each task."""
    column = wide.columns.get_indexer(methods)
    return pd.Series(wide.to_numpy()[np.arange(len(wide)), column], index=wide.index)


def _not_worse(rows: pd.DataFrame, groups: pd.Series) -> dict[str, int]:
    by_task = {task: by_method(one, "accuracy") for task, one in rows.groupby(TASK)}
    found = [
        paired_difference(by_task[task], variant, plain_of(variant))
        for task, variant in groups.items()
    ]
    known = [one for one in found if one is not None]
    return {"not_worse": sum(one.high >= 0 for one in known), "compared": len(known)}


def _difference(name: str, differences: pd.Series) -> dict[str, float]:
    by_data = 100 * differences.groupby(level="data").mean()
    found = bootstrap_mean(by_data.to_numpy())
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}

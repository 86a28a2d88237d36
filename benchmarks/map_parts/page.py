"""The page of the map."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

import kshot_viz as kv
from kshot_viz.stats import FEW_VALUES, bootstrap_mean
from kshot_viz.text import counted
from map_parts.numbers import CONTROLS, GROUPS, PLAIN, TASK, best_elsewhere, rivals_of, taken

COMMAND = "python benchmarks/map.py DATA"
# What a method must be ahead by to be called clearly better than every rival, in points.
CLEAR = 2.0


def page(
    found: kv.Study,
    numbers: pd.DataFrame,
    name: str = "map",
    command: str = COMMAND,
    before: pd.DataFrame | None = None,
) -> str:
    """Return the page as Markdown.

    ``before`` are regrets of the same tasks with the same step sizes of the head on every network.
    """
    regrets = found.regrets()
    parts = [
        "# When which method helps" + ": ".join(["", *name.split("_", 1)[1:]]).replace("_", " "),
        _made_by(command, name),
        _about(found),
        "## In short",
        SHORT,
        short(regrets),
        "## The numbers that were fixed beforehand",
        FIXED + _of_few_episodes(found),
        table(numbers),
        *([] if before is None else units(found, before)),
        "## At a glance",
        f"![Regret of every method in every regime, guarded rule]({name}_regret_guarded.png)",
        f"![The same with the best mean]({name}_regret_best.png)",
        "## Where groups are clearly better than every rival",
        *cells(found),
        "## Accuracy, task by task",
        "Settings chosen on all tuning episodes, guarded rule, in percent. `best variant` and "
        "`best rival` are those that did best on the other data.",
        by_task(regrets),
        "## All tables",
        f"```\n{found}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _made_by(command: str, name: str) -> str:
    again = COMMAND if name == "map" else f"{COMMAND} --page {name}"
    return (
        f"Made by `{command}`; regimes, rules and regret are explained in "
        f"[studies.md](../studies.md). Its rows are in the repository: "
        f'`kv.KShotComparison(kv.Study.load("docs/results/{name}"))` shows them in a notebook, and '
        f"`{again} --replay TASK --row 0` runs one of a task again."
    )


SHORT = (
    "Mean regret over the tasks and, after the comma, the largest in any of them, in points. First "
    "the method that is least behind on average, then the one whose worst task is the least bad; "
    "`imprinted_` is fine-tuning from a head at the class means instead of zero."
)
# Shown in every row of the short table, where they took part.
SHOWN = (PLAIN, "grouped", "imprinted_plain", "imprinted_groups", "logistic")
# Those with a linear head, whose step sizes may be in units of the features.
LINEAR = ("head_only", PLAIN, "grouped", "imprinted_plain", "imprinted_groups")

FIXED = (
    "For each regime and rule, in points of accuracy: the best variant of groups against plain "
    "fine-tuning from the same start of the head, and against the best rival, as mean over data "
    "sets with the 95 % interval over data sets. Which variant and which rival is taken in a task "
    "is decided on the tasks of other data alone. A win or a tie is a task in which the 95 % "
    "interval of that difference, paired, is not below zero. `worst` is the largest regret "
    "of that variant, and of `plain`, in any task. Variants with an imprinted head joined them "
    "later, after the maps of [handwriting](map_handwriting.md) and [photographs](map_photos.md) "
    "had been read."
)


def _of_few_episodes(found: kv.Study) -> str:
    """Say that intervals of few episodes are too narrow, where `own` has so few."""
    n = int(found.manifest["own_episodes"])
    if "own" not in found.manifest["regimes"] or n >= FEW_VALUES:
        return ""
    return (
        f" `own` has {counted(n, 'episode')} a task, too few for such intervals to be counted on."
    )


def short(regrets: pd.DataFrame) -> str:
    """Return a row for each regime and rule: the best two methods beside plain and groups."""
    shown = [one for one in SHOWN if one in set(regrets["method"])]
    lines = ["| regime | rule | least mean | least worst | " + " | ".join(shown) + " |"]
    lines.append("| --- | --- | --- | --- |" + " ---: |" * len(shown))
    for (regime, rule), part in regrets.groupby(["regime", "rule"], sort=False):
        behind = part.groupby("method")["regret"].agg(["mean", "max"])
        first, safest = behind["mean"].idxmin(), behind["max"].idxmin()
        cells = [f"{one} {_mean_and_worst(behind, one)}" for one in (first, safest)]
        cells += [_mean_and_worst(behind, one) for one in shown]
        lines.append(f"| {regime} | {rule} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _mean_and_worst(behind: pd.DataFrame, method: str) -> str:
    # Zero added makes a rounded -0.0 a 0.0.
    mean, worst = (round(behind.loc[method, name], 1) + 0.0 for name in ("mean", "max"))
    return f"{mean:.1f}, {worst:.1f}"


def table(numbers: pd.DataFrame) -> str:
    """Return the numbers that count as a table."""
    lines = [
        "| regime | rule | tasks | groups - plain | win or tie | groups - best rival | worst, "
        "groups | worst, plain |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in numbers.to_dict(orient="records"):
        cells = (
            row["regime"],
            row["rule"],
            str(row["tasks"]),
            _interval(row, "to_plain"),
            f"{row['not_worse']} of {row['compared']}",
            _interval(row, "to_rival"),
            f"{row['worst_groups']:.1f}",
            f"{row['worst_plain']:.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def units(found: kv.Study, before: pd.DataFrame) -> Iterator[str]:
    """Say what steps of the head in units of the features change, method by method."""
    both = same_episodes(found, before)
    both["gain"] = 100 * (both["accuracy"] - both["accuracy_before"])
    lines = ["| regime | rule | " + " | ".join(LINEAR) + " |"]
    lines.append("| --- | --- |" + " ---: |" * len(LINEAR))
    for (regime, rule), part in both.groupby(["regime", "rule"], sort=False):
        by_method = dict(list(part.groupby("method")))
        cells = [_gain(by_method[one]) if one in by_method else "-" for one in LINEAR]
        lines.append(f"| {regime} | {rule} | {' | '.join(cells)} |")
    yield "## What steps in units of the features change"
    yield (
        "Against [the same map with head step sizes of 0.001 and 0.01 on every network]"
        "(map_same_sizes.md): points of accuracy gained on the tasks and test episodes of that "
        "map, as mean over data sets with the 95 % interval over data sets, and, after the comma, "
        "the largest regret in any of these tasks, by that map and by this one, in which `blind` "
        "may have more tasks to choose on."
    )
    yield "\n".join(lines)


def same_episodes(found: kv.Study, before: pd.DataFrame) -> pd.DataFrame:
    """Return the regrets of both maps side by side, with the accuracy on the episodes of both.

    Episodes are drawn one after the other, so the first of many are those of the smaller map.
    """
    key = [*TASK, "method", "regime", "rule"]
    both = found.regrets().merge(before, on=key, suffixes=("", "_before"), validate="one_to_one")
    rows = found.frame.merge(both[[*key, "n_before"]], on=key)
    number = rows["episode"].str.split("/").str[1].astype(int)
    accuracy = rows[number < rows["n_before"]].groupby(key)["accuracy"].mean()
    return both.drop(columns="accuracy").merge(accuracy.reset_index(), on=key)


def _gain(part: pd.DataFrame) -> str:
    gain = bootstrap_mean(part.groupby("data")["gain"].mean().to_numpy())
    worst = f"{part['regret_before'].max():.1f} -> {part['regret'].max():.1f}"
    mean, low, high = (round(one, 1) + 0.0 for one in (gain.mean, gain.low, gain.high))
    return f"{mean:+.1f} \\[{low:+.1f}, {high:+.1f}\\], {worst}"


def cells(found: kv.Study) -> Iterator[str]:
    """Say in which tasks a variant of groups is clearly ahead of every other method.

    These are looked for among all tasks and variants, so some are there by chance.
    """
    frame = found.frame
    frame = frame[(frame["regime"] == "many") & (frame["rule"] == "guarded")]
    frame = frame[frame["accuracy"].notna()]
    lines = []
    for (data, backbone, shot), rows in frame.groupby(TASK, sort=False):
        wide = rows.pivot_table("accuracy", "episode", "method", sort=False)
        mine = [one for one in GROUPS if one in wide]
        theirs = [one for one in wide if one not in (*GROUPS, *CONTROLS)]
        first, second = wide[mine].mean().idxmax(), wide[theirs].mean().idxmax()
        apart = 100 * (wide[first] - wide[second])
        error = apart.std(ddof=1) / np.sqrt(len(apart))
        if apart.mean() >= CLEAR and apart.mean() > 2 * error:
            lines.append(
                f"- {data}, {backbone}, {counted(shot, 'shot')}: {first} is "
                f"{apart.mean():.1f} +- {error:.1f} points ahead of {second}."
            )
    yield (
        f"Regime `many`, guarded rule: the best variant in hindsight is at least {CLEAR:g} points "
        f"and two standard errors ahead of the best other method, `{PLAIN}` included. Many variants"
        f" and tasks are looked at, so this is a list of candidates, not of results."
    )
    yield "\n".join(lines) if lines else "Nowhere."


def by_task(regrets: pd.DataFrame) -> str:
    """Return a row for each task."""
    part = regrets[(regrets["regime"] == "many") & (regrets["rule"] == "guarded")]
    wide = part.pivot_table("accuracy", TASK, "method", sort=False)
    groups = best_elsewhere(wide, [one for one in GROUPS if one in wide])
    rivals = best_elsewhere(wide, rivals_of(wide))
    named = [one for one in ("head_only", PLAIN, "grouped") if one in wide]
    shown = {one.replace("_", " "): wide[one] for one in named}
    shown |= {"best variant": taken(wide, groups), "best rival": taken(wide, rivals)}
    lines = ["| data | network | shots | " + " | ".join(shown) + " | taken |"]
    lines.append("| --- | --- | ---: |" + " ---: |" * len(shown) + " --- |")
    for i, (data, backbone, shot) in enumerate(wide.index):
        values = " | ".join(f"{100 * one.iloc[i]:.1f}" for one in shown.values())
        names = f"{groups.iloc[i]}, {rivals.iloc[i]}"
        lines.append(f"| {data} | {backbone} | {shot} | {values} | {names} |")
    return "\n".join(lines)


def _number(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return str(low) if low == high else f"{low} to {high}"


def _about(found: kv.Study) -> str:
    first = next(iter(found.comparisons.values())).manifest["grid"]
    frame = found.frame[found.frame["accuracy"].notna()]
    many = frame[frame["regime"] == "many"].groupby(TASK)["episode"].nunique()
    asked, methods = found.manifest, frame["method"].unique()
    heads = first["head_lrs"]
    if "feature_steps" in first:
        heads = f"{first['feature_steps']} over the mean squared length of the features"
    chosen_on = [
        f"{asked['n_val']} tuning episodes in `many`",
        f"{asked['few']['episodes']} with {asked['few']['queries']} queries a class in `few`",
    ]
    if "own" in asked["regimes"]:
        chosen_on.append(f"the first {asked['own_episodes']} test episodes in `own`")
    return (
        f"{len(methods)} methods ({', '.join(map(str, methods))}) on "
        f"{counted(len(many), 'task')}, {_number(many)} test episodes each; settings "
        f"of the grid {first['lrs']} x {heads} at steps {first['steps']}; {', '.join(chosen_on)}."
    )


def _interval(row: dict[str, float], name: str) -> str:
    mean, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if np.isnan(low):
        return f"{mean:+.1f}"
    return f"{mean:+.1f} \\[{low:+.1f}, {high:+.1f}\\]"

"""The page of searched groupings, from the JSON beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

START, END = "<!-- reading -->", "<!-- /reading -->"
NAMES = {
    "head_only": "head only",
    "last_block": "last block",
    "weight_groups": "weight groups",
    "shuffled": "shuffled groups",
    "grouped": "groups, 10 %",
    "reinforce, as found": "controller, as found",
    "reinforce, tuned": "controller, tuned",
    "random, as found": "random search, as found",
    "random, tuned": "random search, tuned",
    "tpe, as found": "TPE, as found",
    "tpe, tuned": "TPE, tuned",
    "picked, as found": "**picked, as found**",
    "picked, tuned": "**picked, tuned**",
}

SAMPLERS = {"reinforce": "controller", "random": "random search", "tpe": "TPE"}


def write(records: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Write the page; what stands between the two reading marks is kept."""
    old = path.read_text("utf-8") if path.exists() else ""
    read = re.search(f"{START}.*?{END}", old, re.DOTALL)
    parts = [
        "# Searched groupings on images that no search has seen",
        "Made by `python benchmarks/search_results.py "
        + " ".join(records)
        + "` (numbers: `search_*.json` beside this page; photographs also take `--data FOLDER`).",
        overview(records),
        read.group() if read else f"{START}\n{END}",
        "How to read the tables: *as found* is the winner of a search with everything the search "
        "chose; which labels that took stands beside its reward. *Tuned* is the same grouping with "
        "step sizes and steps chosen on the validation episodes, like every rival's. Rows of a "
        "sampler are means over its seeds, episode by episode. *Picked* is the one of the best of "
        "the controller's searches that did best on more tasks of the reward's kind. Differences "
        "are paired over the fresh episodes, with 95 % bootstrap intervals; p is Wilcoxon's, not "
        "adjusted.",
    ]
    for name, record in records.items():
        parts += section(name, record)
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def overview(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Return one line a task: what the controller's winners gained, as they were found."""
    lines = [
        "What the controller's winners gained as found, in points of accuracy on fresh episodes, "
        "with 95 % intervals, **bold** where clear of zero. Rivals chose step sizes and steps on "
        "labelled validation episodes in every row; the second column says how many target "
        "labels the search itself took.\n",
        "| task | labels beyond the k | to plain | to the best rival | picked, to the best rival |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for record in records.values():
        rows = {row["who"]: row for row in record["table"]}
        best = rows["plain"]["best_rival"]
        found, picked = rows["reinforce, as found"], rows["picked, as found"]
        cells = [
            f"[{record['title']}](#{anchor(record['title'])})",
            f"{record['reward']['target_labels']:,}",
            clear(found["against plain"]),
            f"{clear(found[f'against {best}'])} ({NAMES.get(best, best)})",
            clear(picked[f"against {best}"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def anchor(title: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def clear(known: list[float]) -> str:
    """Return a difference in points, bold where its interval holds no zero."""
    mean, low, high = (100 * one for one in known[:3])
    text = f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"
    return f"**{text}**" if low > 0 or high < 0 else text


def section(name: str, record: Mapping[str, Any]) -> list[str]:
    """Return the parts about one task."""
    reward, arms = record["reward"], record["arms"]
    seeds = ", ".join(
        f"{SAMPLERS.get(s, s)}{' with halving' if p else ''} {n} seeds" for s, p, n in arms
    )
    parts = [
        f"## {record['title']}",
        f"{record['budget']:g} full evaluations a search ({reward['episodes']} tasks of "
        f"{reward['queries']} queries each), {record['parameters']} choices; {seeds}; "
        f"{record['episodes']} fresh episodes. Reward: {reward['name']}, {reward['target_labels']} "
        f"target labels beyond the k. {reward['note']}",
        accuracies(record["table"]),
        f"![Best so far](search_{name}_best.png)",
        shrunk(record["shrinkage"]),
        f"![Search reward against fresh accuracy](search_{name}_shrinkage.png)",
        picked(record["picked"]),
        f"The picked search's choices: ![Chosen groups](search_{name}_chosen.png)",
        f"![Policy](search_{name}_policy.png)",
    ]
    if record["quality"]:
        parts.append(quality(record["quality"]))
    return [*parts, "Robustness: everyone at fixed defaults (step size 0.001, head 0.1, 40 steps; "
            "nothing tuned).", defaults(record["robustness"])]  # fmt: skip


def picked(record: Mapping[str, Any]) -> str:
    """Return what was picked from what, where the record says so."""
    if "of" not in record:
        return f"Picked: {told(record['name'])}."
    among = "the winners" if record["of"] == 1 else f"the best {record['of']}"
    return (
        f"Picked: {told(record['name'])}, from {among} of the controller's searches on "
        f"{record['tasks']} tasks."
    )


def told(name: str) -> str:
    """Return which candidate of which search a name is."""
    seed, _, place = name.removeprefix("reinforce ").partition(", place ")
    return f"search {seed}" + (f", number {place} there" if place else ", its winner")


def accuracies(rows: list[Mapping[str, Any]]) -> str:
    """Return the table of rivals and winners."""
    best = rows[0]["best_rival"]
    others = list(dict.fromkeys(("plain", best)))
    lines = [
        "| | accuracy, % | " + " | ".join(f"against {NAMES.get(o, o)}" for o in others) + " |",
        "| --- | ---: |" + " ---: |" * len(others),
    ]
    for row in rows:
        cells = [gap(row[f"against {other}"]) for other in others]
        lines.append(
            f"| {NAMES.get(row['who'], row['who'])} | {100 * row['accuracy']:.1f} "
            f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}] | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines)


def gap(known: list[float]) -> str:
    """Return a paired difference in points."""
    mean, low, high, p = known
    if abs(mean) < 1e-12 and low == high:
        return ""
    sure = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return f"{100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}], {sure}"


def shrunk(rows: list[Mapping[str, Any]]) -> str:
    """Return one line a sampler: reward of the winners, and what is left on fresh episodes."""
    lines = ["| sampler | reward of the winner | fresh accuracy | gap |",
             "| --- | ---: | ---: | ---: |"]  # fmt: skip
    for sampler in dict.fromkeys(row["sampler"] for row in rows):
        own = [row for row in rows if row["sampler"] == sampler]
        means = [100 * np.mean([row[key] for row in own]) for key in ("reward", "accuracy")]
        lines.append(
            f"| {SAMPLERS.get(sampler, sampler)}, {len(own)} seeds | {means[0]:.1f} | "
            f"{means[1]:.1f} | {means[0] - means[1]:.1f} |"
        )
    return "\n".join(lines)


def quality(rows: list[Mapping[str, float]]) -> str:
    """Return how much of the budget the pruned controller needed."""
    shares = [row["share"] for row in rows if math.isfinite(row["share"] or math.nan)]
    missed = len(rows) - len(shares)
    told = ", ".join(f"{share:.2f}" for share in sorted(shares))
    median = np.median([*shares, *[math.inf] * missed])
    return (
        f"Time to quality: the controller with halving reached what random search reached with its "
        f"whole budget after these shares of it: {told}; median {median:.2f}; never in {missed} of "
        f"{len(rows)} seeds."
    )


def defaults(rows: list[Mapping[str, Any]]) -> str:
    """Return the table of everyone at fixed defaults."""
    lines = ["| | accuracy, % | against plain |", "| --- | ---: | ---: |"]
    for row in rows:
        low, high = row["difference_low"], row["difference_high"]
        other = (
            ""
            if low is None
            else f"{100 * row['difference']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
        )
        lines.append(
            f"| {NAMES.get(row['method'], row['method'])} | {100 * row['accuracy']:.1f} "
            f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}] | {other} |"
        )
    return "\n".join(lines)

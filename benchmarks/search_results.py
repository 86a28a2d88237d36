"""Do searched groupings win on images that no search has seen? Several seeds, paired intervals.

Every sampler searches the same space by the same reward at equal budget, over several seeds. Each
search's winner is scored on fresh episodes of the target as it was found, groups formed from the
images that the search formed them from, and once more with step sizes and steps chosen like every
rival's, on the same validation episodes, and groups formed from the rivals' images. Everything is
kept under runs/ and goes on from there.

    python benchmarks/search_results.py digits_1_shot_letters digits_5_shot_letters
    python benchmarks/search_results.py webcam_augmented --data FOLDER
    python benchmarks/search_results.py --page
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from search_parts import page
from search_parts.tasks import TASKS, Task

import kshot_viz as kv
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.registry import FIRST
from kshot_viz.search.result import SearchResult
from kshot_viz.search.rollouts import Rollout
from kshot_viz.stats import bootstrap_mean, paired_test
from kshot_viz.study.searches.samplers import SamplerComparison
from kshot_viz.viz import (
    plot_best_so_far,
    plot_chosen,
    plot_group_sizes,
    plot_policy,
    plot_shrinkage,
    save_figure,
)

ROOT = Path(__file__).parents[1]
RESULTS, RUNS = ROOT / "docs" / "results", ROOT / "runs" / "search_results"
PARALLEL = {"executor": "processes", "workers": 2}
# What everybody runs with where nothing is tuned: the robustness of a method, not its best.
DEFAULTS = kv.FinetuneConfig(lr=1e-3, head_lr=0.1, steps=40)

Searches = dict[tuple[str, str | None, int], SearchResult]


class Pick(NamedTuple):
    """A candidate of a search, under a name of its own."""

    search: SearchResult
    rollout: Rollout
    candidate: kv.Candidate


def searches(task: Task) -> Searches:
    """Run every search, or read it where it is finished."""
    found = {}
    for (sampler, prune), seeds in task.arms.items():
        for seed in seeds:
            started = time.perf_counter()
            journal = RUNS / task.name / f"{sampler}-{prune}-{seed}.journal"
            search = kv.GroupSearch(
                task.backbone,
                task.reward,
                space=task.space,
                sampler=sampler,
                prune=prune,
                seed=seed,
                budget=task.budget,
                storage=journal,
                **PARALLEL,
            )
            found[sampler, prune, seed] = search.run()
            seconds = time.perf_counter() - started
            print(task.name, sampler, prune, seed, f"{seconds:.0f} s:", search.result, flush=True)
    return found


def winners(task: Task, found: Searches) -> list[kv.Candidate]:
    """Return the winner of every search that did not prune, under a name of its own."""
    return [
        replace(result.best, name=f"{sampler} {seed}")
        for (sampler, prune, seed), result in found.items()
        if prune is None and seed < min(len(seeds) for seeds in task.arms.values())
    ]


def refined(task: Task, found: Searches) -> Pick:
    """Choose among the best of the controller's searches on more tasks of the reward's kind."""
    picks: dict[str, Pick] = {}
    for (sampler, prune, seed), result in found.items():
        if (sampler, prune) == ("reinforce", None):
            for place, rollout in enumerate(result.top(task.top)):
                name = f"{sampler} {seed}" + (f", place {place + 1}" if place else "")
                candidate = replace(result.space.candidate(rollout.parameters), name=name)
                picks[name] = Pick(result, rollout, candidate)
    rows = kv.evaluate(
        task.backbone,
        task.refined.data,
        task.refined.episodes,
        [one.candidate for one in picks.values()],
        source=task.refined.source,
        store=RUNS / task.name / "refined.jsonl",
        **PARALLEL,
    )
    return picks[str(rows.groupby("method", sort=False)["accuracy"].mean().idxmax())]


def formed(task: Task, pick: Pick) -> kv.Grouping | None:
    """Return the groups of a pick; where the support forms them, those of the first task."""
    rule, seed = pick.candidate.grouping, int(pick.search.manifest["seed"])
    if not isinstance(rule, GroupingRule):
        return rule
    bound = rule.bind(task.backbone, source=task.reward.source, seed=seed)
    if isinstance(bound, kv.Grouping):
        return bound
    episode = task.reward.episodes[0]
    support, _ = episode.split(task.reward.data)
    return bound.in_episode(task.backbone, support, name=episode.name, seed=seed)


def chosen(pick: Pick, groups: kv.Grouping | None) -> Axes:
    """Draw the choices of a pick, or where assignments were searched, what they are."""
    if isinstance(pick.search.space, kv.AssignmentSpace) and groups is not None:
        return plot_group_sizes(groups)
    return plot_chosen(pick.search, parameters=pick.rollout.parameters, grouping=groups)


def compared(task: Task, methods: list[Any]) -> kv.Comparison:
    """Tune and test rivals and winners on the same episodes."""
    comparison = kv.compare_methods(
        task.backbone,
        task.target,
        task.episodes,
        methods=methods,
        groups_from="source",
        source=task.forming,
        n_groups=0.1,
        n_val=task.n_val,
        grid=task.grid,
        out=RUNS / task.name / "compared",
        progress=True,
        **PARALLEL,
    )
    comparison.save(RUNS / task.name / "compared")
    return comparison


def as_found(task: Task, candidates: list[kv.Candidate], store: str) -> pd.DataFrame:
    """Return accuracies on the fresh episodes: one row an episode, one column a candidate."""
    rows = kv.evaluate(
        task.backbone,
        task.target,
        task.episodes,
        candidates,
        source=task.reward.source,
        store=RUNS / task.name / store,
        progress="as found",
        **PARALLEL,
    )
    wide = rows.pivot_table(index="episode", columns="method", values="accuracy", sort=False)
    return wide[[one.name for one in candidates]]


def chosen_accuracies(comparison: kv.Comparison) -> pd.DataFrame:
    """Return the tested accuracies at everyone's own setting, like :func:`as_found`."""
    frame = comparison.frame
    rows = frame[frame["chosen"] & (frame["pool"] == "test")]
    return rows.pivot_table(index="episode", columns="method", values="accuracy", sort=False)


def table(tuned: pd.DataFrame, found: pd.DataFrame, pick: str) -> list[dict[str, Any]]:
    """Return one row a rival and a kind of winner, with paired differences to every rival."""
    rivals = [name for name in FIRST if name in tuned]
    columns: dict[str, pd.Series] = {name: tuned[name] for name in rivals}
    for sampler in ("reinforce", "random", "tpe"):
        own = [name for name in found if name.rpartition(" ")[0] == sampler]
        if own:
            columns[f"{sampler}, as found"] = found[own].mean(axis=1)
            columns[f"{sampler}, tuned"] = tuned[own].mean(axis=1)
    columns["picked, as found"] = found[pick]
    columns["picked, tuned"] = tuned[pick]
    best = max(rivals, key=lambda name: tuned[name].mean())
    rows = []
    for name, values in columns.items():
        known = bootstrap_mean(values.to_numpy())
        row = {"who": name, "accuracy": known.mean, "low": known.low, "high": known.high}
        row |= {"n": known.n, "best_rival": best}
        for other in dict.fromkeys(("plain", best)):
            test = paired_test(values.to_numpy(), columns[other].reindex(values.index).to_numpy())
            gap = test.difference
            row[f"against {other}"] = [gap.mean, gap.low, gap.high, test.p_value]
        rows.append(row)
    return rows


def shrinkage(task: Task, found: Searches, fresh: pd.DataFrame) -> pd.DataFrame:
    """Return reward and fresh accuracy of every winner."""
    rows = []
    for (sampler, prune, seed), result in found.items():
        name = f"{sampler} {seed}"
        if prune is None and name in fresh:
            known, reward = bootstrap_mean(fresh[name].to_numpy()), result.best_rollout.reward
            row = [sampler, seed, reward, known.mean, known.low, known.high, known.n]
            rows.append([*row, reward - known.mean])
    names = ["sampler", "seed", "reward", "accuracy", "low", "high", "n", "shrinkage"]
    return pd.DataFrame(rows, columns=names)


def time_to_quality(found: Searches) -> list[dict[str, float]]:
    """Return the share of its budget after which the pruned controller is where luck ends."""
    rows = []
    for (sampler, prune, seed), result in found.items():
        lucky = found.get(("random", None, seed))
        if (sampler, prune) != ("reinforce", "halving") or lucky is None:
            continue
        goal = lucky.best_rollout.reward
        history = result.history
        there = history[history["best"] >= goal - 1e-12]
        spent = float(there["spent"].iloc[0]) if len(there) else float("nan")
        budget = float(result.manifest["budget"])
        rows.append({"seed": seed, "reward": goal, "share": spent / budget})
    return rows


def robustness(task: Task, pick: kv.Candidate) -> list[dict[str, Any]]:
    """Return the accuracy of everyone at the same fixed defaults, nothing tuned."""
    rivals = kv.compare_methods(
        task.backbone,
        task.target,
        task.episodes,
        methods=[*FIRST, replace(pick, name="searched", config=_at_defaults(pick))],
        groups_from="source",
        source=task.forming,
        n_groups=0.1,
        tune=None,
        config=DEFAULTS,
        out=RUNS / task.name / "defaults",
        **PARALLEL,
    )
    summary = rivals.summary()
    names = ["method", "accuracy", "low", "high", "difference", "difference_low", "difference_high"]
    return json.loads(summary[names].to_json(orient="records"))


def _at_defaults(pick: kv.Candidate) -> kv.FinetuneConfig:
    return DEFAULTS.but(layer_lr=dict(pick.config.layer_lr))


def run(task: Task) -> None:
    """Search, compare, draw, and write what the page needs."""
    found = searches(task)
    picked = refined(task, found)
    pick = picked.candidate.name
    best = {one.name: one for one in [*winners(task, found), picked.candidate]}
    tuned = chosen_accuracies(compared(task, [*FIRST, *best.values()]))
    fresh = as_found(task, list(best.values()), "found.jsonl")
    shrunk = shrinkage(task, found, fresh)
    plainly = {(s, seed): one for (s, prune, seed), one in found.items() if prune is None}
    figures = {
        "best": plot_best_so_far(SamplerComparison(plainly)),
        "shrinkage": plot_shrinkage(shrunk),
        "policy": plot_policy(picked.search, "step_size"),
        "chosen": chosen(picked, formed(task, picked)),
    }
    for name, axes in figures.items():
        save_figure(axes, RESULTS / f"search_{task.name}_{name}.png")
    record = {
        "title": task.title,
        "budget": task.budget,
        "reward": task.reward.to_dict(),
        "parameters": len(task.space.distributions()),
        "episodes": len(task.episodes),
        "arms": [[s, p, len(list(seeds))] for (s, p), seeds in task.arms.items()],
        "table": table(tuned, fresh, pick),
        "shrinkage": json.loads(shrunk.to_json(orient="records")),
        "quality": time_to_quality(found),
        "robustness": robustness(task, picked.candidate),
        "picked": {
            "name": pick,
            "parameters": dict(picked.rollout.parameters),
            "of": task.top,
            "tasks": len(task.refined.episodes),
        },
    }
    path = RESULTS / f"search_{task.name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run the tasks asked for, then write the page from all that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", choices=[[], *TASKS], help="none: only the page")
    parser.add_argument("--data", type=Path, help="folder with office_caltech10 and its network")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    asked = parser.parse_args()
    for name in [] if asked.page else asked.tasks:
        run(TASKS[name](asked.data))
    records = {
        name: json.loads(path.read_text("utf-8"))
        for name in TASKS
        if (path := RESULTS / f"search_{name}.json").exists()
    }
    page.write(records, RESULTS / "search.md")


if __name__ == "__main__":
    main()

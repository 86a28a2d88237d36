"""How far what ``kv.recommend`` takes is behind the best, on tasks that its prior does not know.

    python benchmarks/recommend_regret.py DATA    # after benchmarks/map.py

For every task of the map, the candidates of ``kv.recommend`` run on the test episodes at their
fixed settings: how far they are behind the best of the map is the prior, one row a task. Then
``kv.recommend`` chooses for the first episodes of every task from the support alone, with the prior
of the tasks on *other* data, and what it takes is compared with the best method and setting of the
map on the same episodes. Finished rows are kept in ``--out``; the same command goes on from them.
They are known by task, episode and prior only: after a change of the candidates or of the rule,
take a new folder. Nothing is recommended for the control of the map.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from map_parts.numbers import TASK
from map_parts.recommending import Part, Recommend, fixed_rows, keyed, recommended_rows
from map_parts.tasks import CONTROL, tasks

import kshot_viz as kv
from kshot_viz.evaluate.pool import run_in_pool
from kshot_viz.stats import bootstrap_mean
from kshot_viz.study.recommendation.prior import FILE, mean_regrets

CHANGED = (
    "The rule was changed after results on these tasks had been seen: the first one took, of "
    "candidates that are as good as the best, the least moved, and was 1.0 points behind (3.6 in "
    "the worst of twenty tasks). So these numbers are no independent test of it."
)
ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
PRIOR = ROOT / "kshot_viz" / "study" / "recommendation" / FILE


def parts(study: kv.Study, data: Path, episodes: int) -> list[Part]:
    """Return the tasks of the map that were finished."""
    return [
        Part(data, name, int(shot), episodes)
        for name, _ in tasks(data, episodes)
        for one in (study.comparisons.get(name),)
        if one is not None and name != CONTROL
        for shot in sorted(one.settings["shot"].unique())
    ]


def with_regret(rows: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the best in hindsight on the same episode, and the regret in points."""
    known = best.rename(columns={"accuracy": "best"})[[*TASK, "episode", "best"]]
    found = rows.merge(known, on=[*TASK, "episode"], validate="many_to_one")
    return found.assign(regret=100 * (found["best"] - found["accuracy"]))


def prior_rows(fixed: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the mean regret of each candidate in each task."""
    means = fixed.groupby([*TASK, "method"], sort=False)["regret"].mean().round(2)
    return means.reset_index().to_dict(orient="records")


def kept(
    path: Path, keys: Sequence[Any], run: Callable[[Any], list[dict[str, Any]]], workers: int
) -> pd.DataFrame:
    """Run what is missing, side by side, and return all rows; each is written when it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = path.read_text("utf-8").splitlines() if path.exists() else []
    found = {one["key"]: one["rows"] for one in map(json.loads, known)}
    missing = [one for one in keys if str(one) not in found]
    with path.open("a", encoding="utf-8") as file:
        for key, rows in run_in_pool(partial(keyed, run), missing, workers):
            found[key] = rows
            file.write(json.dumps({"key": key, "rows": rows}) + "\n")
            file.flush()
    return pd.DataFrame([row for one in keys for row in found[str(one)]])


def page(rows: pd.DataFrame, fixed: pd.DataFrame) -> Iterator[str]:
    """Yield the paragraphs of the page."""
    by_task = rows.groupby(TASK, sort=False)["regret"].mean()
    by_data = by_task.groupby(level="data").mean()
    interval = bootstrap_mean(by_data.to_numpy())
    worst = " / ".join(map(str, by_task.idxmax()))
    yield "# What a recommendation costs"
    yield "Made by `python benchmarks/recommend_regret.py DATA`, after `benchmarks/map.py`."
    yield (
        f"`kv.recommend` chose for {_range(rows.groupby(TASK)['episode'].nunique())} episodes of "
        f"each of {len(by_task)} tasks,"
        f" from the support alone, with a prior from the tasks on other data. Regret is how many "
        f"points of accuracy that is behind the method and setting that was the best of the "
        f"[map](map.md) in hindsight, on the same episodes."
    )
    yield (
        f"**Mean regret over data sets: {by_data.mean():.1f} points "
        f"[{interval.low:.1f}, {interval.high:.1f}]; worst task: {by_task.max():.1f} ({worst}).**"
    )
    fixed_on_these = always(rows, fixed)
    yield f"Each candidate always, at its fixed setting, on the same episodes: {fixed_on_these}."
    yield CHANGED
    yield "\n".join(table(rows, by_task))
    yield (
        "Each candidate alone, at its fixed setting, on all test episodes of every task. No label "
        "was used for tuning; the numbers of these settings were chosen on validation episodes of "
        "mnist, Balinese and webcam, whose images no test episode has:"
    )
    yield "\n".join(alone(fixed))


def always(rows: pd.DataFrame, fixed: pd.DataFrame) -> str:
    """Return the mean regret over data sets of each candidate, on the episodes of ``rows``."""
    same = fixed.merge(rows[[*TASK, "episode"]], on=[*TASK, "episode"], validate="many_to_one")
    by_data = same.groupby(["method", *TASK], sort=False)["regret"].mean()
    means = by_data.groupby(level=["method", "data"], sort=False).mean()
    each = means.groupby(level="method", sort=False).mean()
    return ", ".join(f"{name} {points:.1f}" for name, points in each.items())


def _range(counts: pd.Series) -> str:
    low, high = counts.min(), counts.max()
    return str(low) if low == high else f"{low} to {high}"


def table(rows: pd.DataFrame, by_task: pd.Series) -> Iterator[str]:
    """Yield the lines of a table, a row a task."""
    yield "| data | network | shots | accuracy, % | best in hindsight, % | regret | taken |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | --- |"
    for key, part in rows.groupby(TASK, sort=False):
        names = part["method"].value_counts()
        taken = ", ".join(f"{name} {n}" for name, n in names.items())
        values = (100 * part["accuracy"].mean(), 100 * part["best"].mean(), by_task.loc[key])
        numbers = " | ".join(f"{one:.1f}" for one in values)
        yield f"| {' | '.join(map(str, key))} | {numbers} | {taken} |"


def alone(fixed: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of a table, a row a candidate and number of shots."""
    yield "| candidate | shots | mean regret | worst | in |"
    yield "| --- | ---: | ---: | ---: | --- |"
    means = fixed.groupby(["method", "shot", "data", "backbone"], sort=False)["regret"].mean()
    for key, part in means.groupby(level=["method", "shot"], sort=False):
        worst = ", ".join(map(str, part.idxmax()[2:]))
        mean = part.groupby(level="data").mean().mean()
        yield f"| {key[0]} | {key[1]} | {mean:.1f} | {part.max():.1f} | {worst} |"


def main() -> None:
    """Measure, and write page, numbers and prior."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--map", type=Path, default=RESULTS / "map", help="the finished study")
    parser.add_argument("--episodes", type=int, default=50, help="as of the map")
    parser.add_argument("--recommend", type=int, default=12, help="episodes to recommend for")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/recommend"))
    given = parser.parse_args()
    study = kv.Study.load(given.map)
    asked = parts(study, given.data, given.episodes)
    best = study.best()
    fixed = with_regret(kept(given.out / "fixed.jsonl", asked, fixed_rows, given.workers), best)
    known = prior_rows(fixed)
    runs = [
        Recommend(
            part, index, tuple(mean_regrets(known, part.shot, without=part.name.split()[0]).items())
        )
        for part in asked
        for index in range(min(given.recommend, given.episodes))
    ]
    rows = with_regret(kept(given.out / "rows.jsonl", runs, recommended_rows, given.workers), best)
    (RESULTS / "recommend.md").write_text("\n\n".join(page(rows, fixed)) + "\n", "utf-8")
    record = rows.drop(columns="stated").round(4).to_dict(orient="records")
    (RESULTS / "recommend.json").write_text(json.dumps(record, indent=0) + "\n", "utf-8")
    prior = {"made_by": "benchmarks/recommend_regret.py", "rows": known}
    PRIOR.write_text(json.dumps(prior, indent=0) + "\n", "utf-8")


if __name__ == "__main__":
    main()

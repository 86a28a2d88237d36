"""Does what is seen inside a network say where grouping helps? Rank correlations over the map.

    python benchmarks/map.py DATA                # first: how good each method is on each task
    python benchmarks/inside_map.py DATA

For some episodes of every task of the map, plain fine-tuning is looked at from inside: alignment
before training, gradient agreement and the energy that groups keep at the first step that has
gradients, how far the last layer moves, and the purity of the Mapper graph of the last layer. Each
number is compared with the gain of groups over plain fine-tuning on the map. Finished tasks are
kept in ``--out``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from map_parts.tasks import tasks
from scipy.stats import spearmanr

import kshot_viz as kv
from kshot_viz.analysis import activation_points, finetune_dynamics, mapper_graph, node_purity
from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.seeds import numpy_rng

RESULTS = Path(__file__).parents[1] / "docs" / "results"
TASK = ["data", "backbone", "shot"]
# Fixed before any correlation was looked at: how settings were chosen on the map, the steps that
# are looked at, and what is said to help.
REGIME, RULE, STEPS, GAIN = "many", "guarded", (1, 20), ("grouped", "plain")
SAYS = {
    "alignment": "f-RWA of the pretrained layers minus untrained, before training",
    "input alignment": "b-RWA of the pretrained layers minus untrained, before training",
    "gradient agreement": "of the images of the support, over what orthogonal gradients give",
    "energy kept": "by the means of groups, minus random groups",
    "moved": "1 - CKA to the start of the last layer, after 20 steps of plain fine-tuning",
    "purity": "of the Mapper graph of the last layer, minus shuffled labels",
    "components": "of that graph, as a share of its nodes",
}
_DRAWS, _IMAGES = 2000, 400


def seen(task: kv.StudyTask, shot: int, episodes: int) -> dict[str, float]:
    """Return the mean of what is seen in some episodes of a task."""
    drawn = [one for one in task.sampled(0) if one.shot == shot][:episodes]
    found = [_inside(task, *one.split(task.data)) for one in drawn]
    means = pd.DataFrame(found).mean().to_dict()
    return means | _topology(task)


def _inside(task: kv.StudyTask, support: Any, query: Any) -> dict[str, float]:
    rule = GroupingRule("support" if task.source is None else "source", 0.1)
    grouping = rule.bind(task.backbone, source=task.source)
    steps = finetune_dynamics(
        task.backbone,
        support,
        images=query.take(range(min(len(query), 60))),
        methods=["plain"],
        grouping=grouping,
        config=kv.FinetuneConfig(steps=max(STEPS)),
        at=(0, *STEPS),
        draws=1,
    )
    frame = steps.frame()
    body = frame[frame["layer"].isin(list(task.backbone.layers))]
    start, first = body[body["step"] == 0], body[body["step"] == STEPS[0]]
    last = body[(body["step"] == STEPS[-1]) & (body["layer"] == steps_last(body))]
    return {
        "alignment": _above(start, "f-RWA", "untrained"),
        "input alignment": _above(start, "b-RWA", "untrained"),
        "gradient agreement": _ratio(first, "gradient agreement"),
        "energy kept": _above(first, "energy kept", "null"),
        "moved": 1 - float(last.loc[last["measure"] == "CKA to the start", "value"].mean()),
    }


def steps_last(body: pd.DataFrame) -> str:
    """Return the last layer that was measured."""
    return str(body["layer"].iloc[-1])


def _above(rows: pd.DataFrame, measure: str, column: str) -> float:
    part = rows[rows["measure"] == measure]
    return float((part["value"] - part[column]).mean())


def _ratio(rows: pd.DataFrame, measure: str) -> float:
    part = rows[rows["measure"] == measure]
    return float((part["value"] / part["null"]).mean())


def _topology(task: kv.StudyTask) -> dict[str, float]:
    order = numpy_rng(0, "inside map").permutation(len(task.data))[:_IMAGES]
    images = task.data.take(np.sort(order).tolist())
    points = activation_points(task.backbone, images, list(task.backbone.layers)[-1]).points
    try:
        graph = mapper_graph(points, labels=images.labels)
    except KShotValueError:
        # All rows are noise: there is no node to be pure.
        return {"purity": float("nan"), "components": float("nan")}
    summary = graph.summary()
    return {
        "purity": node_purity(graph).gain,
        "components": summary.components / len(graph.nodes),
    }


def gains(regrets: pd.DataFrame) -> pd.Series:
    """Return the gain of groups over plain fine-tuning in points, a value for each task."""
    part = regrets[(regrets["regime"] == REGIME) & (regrets["rule"] == RULE)]
    wide = part.pivot_table("accuracy", TASK, "method", sort=False)
    # Equal gains must be equal, which floating point alone does not see to.
    return (100 * (wide[GAIN[0]] - wide[GAIN[1]])).round(9)


def correlations(table: pd.DataFrame, gain: pd.Series) -> pd.DataFrame:
    """Return the rank correlation of each number with the gain, with a 95 % interval.

    Data sets are drawn with replacement, since tasks on the same images are not independent.
    """
    return pd.DataFrame([_correlation(name, table[name], gain) for name in SAYS])


def _correlation(name: str, values: pd.Series, gain: pd.Series) -> dict[str, Any]:
    known = values.notna() & gain.notna()
    values, gain = values[known], gain[known]
    data = values.index.get_level_values("data")
    sets = sorted(set(data))
    rng, drawn = numpy_rng(0, "correlation", name), []
    for _ in range(_DRAWS):
        rows = np.concatenate([np.flatnonzero(data == one) for one in rng.choice(sets, len(sets))])
        a, b = values.to_numpy()[rows], gain.to_numpy()[rows]
        if len(set(a)) > 1 and len(set(b)) > 1:
            drawn.append(spearmanr(a, b).statistic)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {
        "says": name,
        "rho": float(spearmanr(values, gain).statistic),
        "low": float(low),
        "high": float(high),
        "tasks": len(values),
        "sets": len(sets),
    }


def page(found: pd.DataFrame, table: pd.DataFrame, gain: pd.Series) -> Iterator[str]:
    """Yield the paragraphs of the page."""
    yield "# Does what is seen inside say where groups help?"
    yield (
        "Made by `python benchmarks/inside_map.py DATA`, after the command of "
        "[the map of handwriting](map_handwriting.md)."
    )
    clear = found[(found["low"] > 0) | (found["high"] < 0)]
    names = ", ".join(f"{one['says']} ({one['rho']:+.2f})" for _, one in clear.iterrows())
    told = (
        f"The interval of {len(clear)} of {len(found)} excludes zero: {names}. With {len(found)} "
        f"tries, one such interval in about {round(20 / len(found))} pages like this comes by "
        f"chance."
        if len(clear)
        else f"None of {len(found)} rank correlations has an interval that excludes zero: nothing "
        f"that was looked at says where groups help."
    )
    yield (
        f"**{told}** Over {len(gain)} tasks on {found['sets'].max()} data sets, the gain of "
        f"{GAIN[0]} over {GAIN[1]} fine-tuning was {gain.mean():+.1f} points on average, from "
        f"{gain.min():+.1f} to {gain.max():+.1f} (settings chosen in regime '{REGIME}')."
    )
    yield "\n".join(_lines(found))
    yield "What was seen in each task:"
    yield "\n".join(_task_lines(table, gain))


def _lines(found: pd.DataFrame) -> Iterator[str]:
    yield "| number | what it is | rank correlation with the gain [95 %] | tasks |"
    yield "| --- | --- | ---: | ---: |"
    for _, one in found.iterrows():
        interval = f"{one['rho']:+.2f} [{one['low']:+.2f}, {one['high']:+.2f}]"
        yield f"| {one['says']} | {SAYS[one['says']]} | {interval} | {one['tasks']} |"


def _task_lines(table: pd.DataFrame, gain: pd.Series) -> Iterator[str]:
    yield f"| data | network | shots | gain | {' | '.join(SAYS)} |"
    yield "| --- | --- | ---: |" + " ---: |" * (1 + len(SAYS))
    for key, row in table.iterrows():
        cells = " | ".join(f"{row[name]:.2f}" for name in SAYS)
        yield f"| {' | '.join(map(str, key))} | {gain.loc[key]:+.1f} | {cells} |"  # type: ignore[arg-type]


def measured(
    data: Path, wanted: pd.Index, episodes: int, out: Path
) -> Iterator[tuple[Any, dict[str, float]]]:
    """Yield each task of the map with what is seen; each is written when it is there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = out.read_text("utf-8").splitlines() if out.exists() else []
    known = {tuple(one["task"]): one["seen"] for one in map(json.loads, lines)}
    for name, load in tasks(data, max(episodes, 3)):
        if not any(str(key[0]) == name.split()[0] for key in wanted):
            continue
        task = load()
        for shot in task.shots:
            key = (task.data.name, task.backbone.name, int(shot))
            if key not in wanted:
                continue
            if key not in known:
                known[key] = seen(task, shot, episodes)
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"task": list(key), "seen": known[key]}) + "\n")
            yield key, known[key]


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and write page and numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--map", type=Path, default=Path("runs/map"), help="the finished study")
    parser.add_argument("--episodes", type=int, default=3, help="looked at in each task")
    parser.add_argument("--out", type=Path, default=Path("runs/inside_map.jsonl"))
    given = parser.parse_args(words)
    torch.set_num_threads(1)
    gain = gains(kv.Study.load(given.map).regrets())
    rows = dict(measured(given.data, gain.index, given.episodes, given.out))
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(rows, names=TASK)
    gain = gain.reindex(table.index)
    found = correlations(table, gain)
    (RESULTS / "inside.md").write_text("\n\n".join(page(found, table, gain)) + "\n", "utf-8")
    record = {
        "correlations": found.round(4).to_dict(orient="records"),
        "tasks": table.assign(gain=gain).round(10).reset_index().to_dict(orient="records"),
    }
    (RESULTS / "inside.json").write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

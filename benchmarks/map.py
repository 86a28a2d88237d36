"""When which method helps: all methods on many tasks, in all regimes of labels.

    python benchmarks/map.py DATA                # DATA holds the data sets named below
    python benchmarks/map.py DATA --task digits --task usps --episodes 20
    python benchmarks/map.py DATA --replay digits --row 0 --row 500   # runs of it again

With the bundled network: digits, MNIST, USPS and five alphabets of Omniglot at 1 and 5 shots, and
MNIST and USPS at 20. With SqueezeNet and MobileNet V1: Webcam, Amazon and cartoons (PACS), at 1 and
5 shots. Webcam with a SqueezeNet of random weights is a control: it runs where it is named, on a
page of its own, so that no setting is chosen on it for other tasks. Finished rows are kept in
``--out``; the same command goes on from them, and with more ``--episodes`` or tasks uses what is
there. The study is saved beside its page: ``kv.Study.load("docs/results/map")``. A copy of that
folder as ``--out`` is gone on from as well.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

import pandas as pd
from map_parts.numbers import headline
from map_parts.page import page
from map_parts.tasks import CONTROL, grid, tasks

import kshot_viz as kv
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.grouped import Grouped, Shuffled
from kshot_viz.methods.head_only import HeadOnly
from kshot_viz.methods.plain import Plain
from kshot_viz.study.regimes.choices import REGIMES
from kshot_viz.viz import plot_regret, save_figure

RESULTS = Path(__file__).parents[1] / "docs" / "results"
RULES = ("guarded", "best")
# Numbers of the map before its steps of the head were in units of the features.
SAME_SIZES = "map_same_sizes.json"


def methods(names: list[str] | None) -> list[str | kv.Candidate]:
    """Return all methods, and variants of groups that are options of a method or of its rule."""
    rule, imprinted = GroupingRule("source", 0.1), kv.HeadInit("imprinted")
    variants = [
        kv.Candidate(GroupingRule("source", 0.1, metric="correlation"), name="correlation_groups"),
        kv.Candidate(GroupingRule("gradients", 0.1), name="gradient_groups"),
        kv.Candidate(rule, name="half_own", method=Grouped(own=0.5)),
        kv.Candidate(name="imprinted_head", method=HeadOnly(head=imprinted)),
        kv.Candidate(name="imprinted_plain", method=Plain(head=imprinted)),
        kv.Candidate(rule, name="imprinted_groups", method=Grouped(head=imprinted)),
        kv.Candidate(rule, name="imprinted_shuffled", method=Shuffled(head=imprinted)),
        kv.Candidate(rule, name="imprinted_half_own", method=Grouped(own=0.5, head=imprinted)),
    ]
    every = [*kv.list_methods(), *variants]
    named = {one if isinstance(one, str) else one.name: one for one in every}
    return [named[one] for one in names or named]


def main() -> None:
    """Run the study and write its page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--task", action="append", help="only these, by name")
    parser.add_argument("--method", action="append", help="only these; all by default")
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument(
        "--photo-episodes", type=int, help="of photographs; as many as --episodes by default"
    )
    parser.add_argument(
        "--feature-step",
        action="append",
        type=float,
        help="of linear heads, in units of the features of each network; 1 and 10 by default",
    )
    parser.add_argument(
        "--head-lr", action="append", type=float, help="the same sizes on every network instead"
    )
    parser.add_argument("--regime", action="append", help="only these; all by default")
    parser.add_argument("--own-episodes", type=int, default=2)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--out", type=Path, default=Path("runs/map"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", default="map", help="name of the page and its files")
    parser.add_argument("--replay", metavar="TASK", help="run rows of this task again, and stop")
    parser.add_argument("--row", type=int, action="append", help="of --replay; 0 by default")
    given = parser.parse_args()
    if given.replay:
        task = dict(tasks(given.data, given.episodes, given.photo_episodes))[given.replay]()
        replay(task, given.results / given.page, given.row or [0])
        return
    loaded = [
        load()
        for name, load in tasks(given.data, given.episodes, given.photo_episodes)
        if (name != CONTROL if given.task is None else name in given.task)
    ]
    found = kv.study(
        loaded,
        methods=methods(given.method),
        regimes=given.regime or REGIMES,
        rules=RULES,
        grid=grid(given.head_lr, given.feature_step),
        own_episodes=given.own_episodes,
        executor="processes",
        workers=given.workers,
        out=given.out,
        progress=True,
    )
    write(found, given.results, given.page, command())
    print(found)


def replay(task: kv.StudyTask, folder: Path, rows: list[int]) -> None:
    """Run rows of a task of a published study again, and say whether they are the same."""
    comparison = kv.Comparison.load(folder / task.folder)
    for row in rows:
        print(comparison.replay(row, backbone=task.backbone, data=task.data))


def command() -> str:
    """Return the command as it was given, without paths of this machine."""
    given, kept = iter(sys.argv[2:]), list[str]()
    for one in given:
        if one in ("--out", "--results", "--workers"):
            next(given)
        else:
            kept.append(one)
    return shlex.join(["python", "benchmarks/map.py", "DATA", *kept])


def write(found: kv.Study, folder: Path, name: str, made_by: str) -> None:
    """Write the page with its pictures, the numbers behind it, and all rows."""
    found.save(folder / name)
    regrets = found.regrets()
    for rule in RULES:
        save_figure(plot_regret(found, rule=rule).figure, folder / f"{name}_regret_{rule}.png")
    before = pd.read_json(RESULTS / SAME_SIZES) if name == "map" else None
    text = page(found, headline(regrets, found.frame), name, made_by, before)
    (folder / f"{name}.md").write_text(text, "utf-8")
    rows = regrets.round(4).to_dict(orient="records")
    (folder / f"{name}.json").write_text(json.dumps(rows, indent=0) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""Whether the accuracy that ``kv.recommend`` states is the one that is measured afterwards.

Again and again some images of every class are drawn. A classifier is made of them as by `kshot-viz
fit`, and scored on all other images of the folder. The stated 95 % interval should hold the
measured accuracy in 19 of 20 draws.

    python benchmarks/stated_accuracy.py DATA/office_caltech10/webcam --size 128 \
        --weights DATA/squeezenet1_1_imagenet_features.npz

Draws that the results file holds already are kept, and only missing ones are made. Copies of an
image count once, and accuracies are means over classes, as in all tables.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kshot_viz as kv
from kshot_viz.evaluate.pool import run_in_pool
from kshot_viz.seeds import numpy_rng
from kshot_viz.study.recommendation.folds import usable_images

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "stated_accuracy.json"


@dataclass(frozen=True)
class Task:
    """A folder of images, a network, and how many images of a class are given."""

    folder: str
    backbone: str
    weights: str
    size: int | None
    shot: int


def draw(task: Task, seed: int) -> dict[str, Any]:
    """Make a classifier of one draw; return what was stated and what is measured."""
    torch.set_num_threads(1)
    data = kv.load_dataset(task.folder)
    backbone = kv.load_backbone(task.backbone, weights=task.weights, size=task.size)
    given, rest = split(data, task.shot, seed)
    found = kv.recommend(backbone, data.take(given), seed=seed)
    result = found.finetune(backbone, data.take(given))
    others = data.take(rest)
    hits = result.predict(others) == others.labels
    by_class = [float(hits[others.targets == c].mean()) for c in range(data.n_classes)]
    return {
        "seed": seed,
        "method": found.method,
        "held_out": dict(found.accuracies),
        "estimate": found.estimate.to_dict() if found.estimate else None,
        "measured": float(np.mean(by_class)),
        "measured_over_images": float(hits.mean()),
        "test_images": len(rest),
    }


def split(data: kv.ImageDataset, shot: int, seed: int) -> tuple[list[int], list[int]]:
    """Draw ``shot`` images of every class; return them and all others."""
    drawn = [
        numpy_rng(seed, "draw", c).permutation(images).tolist()
        for c, images in enumerate(usable_images(data))
    ]
    given = [one for images in drawn for one in images[:shot]]
    return given, [one for images in drawn for one in images[shot:]]


def contains(row: dict[str, Any]) -> bool:
    """Return whether the stated interval holds the measured accuracy."""
    return row["estimate"]["low"] <= row["measured"] <= row["estimate"]["high"]


def page(record: dict[str, Any]) -> Iterator[str]:
    """Yield the paragraphs of the page."""
    rows = record["draws"]
    stated = [one["estimate"]["accuracy"] for one in rows]
    measured = [one["measured"] for one in rows]
    widths = [one["estimate"]["high"] - one["estimate"]["low"] for one in rows]
    yield "# Stated and measured accuracy"
    yield f"Made by `{record['command']}`."
    yield (
        f"{len(rows)} draws of {record['shot']} images of each class of {record['data']} train a "
        f"classifier on {record['backbone']} as `kshot-viz fit` does; the other images, "
        f"{rows[0]['test_images']}, test it. Accuracies are means over classes."
    )
    yield (
        f"**The stated 95 % interval held the measured accuracy in {sum(map(contains, rows))} of "
        f"{len(rows)} draws.** Stated: {percent(stated)} % on average, measured: "
        f"{percent(measured)} %. The intervals are {percent(widths)} points wide on average."
    )
    yield (
        "The stated accuracy is that of classifiers trained on fewer images than the final one, so "
        "it is lower. The draws share their test images, so they are not independent."
    )
    if len(rows) < record["asked"]:
        yield (
            f"These are {len(rows)} of {record['asked']} draws; the same command makes the others."
        )
    counts = Counter(one["method"] for one in rows)
    yield "Taken: " + ", ".join(f"{name} {n} times" for name, n in counts.most_common()) + "."
    yield "\n".join(table(rows))


def table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table, a row a draw."""
    yield "| draw | method | stated, % | measured, % | held |"
    yield "| ---: | --- | --- | ---: | --- |"
    for one in rows:
        shares = (one["estimate"][name] for name in ("accuracy", "low", "high"))
        mean, low, high = (f"{100 * share:.1f}" for share in shares)
        held = "yes" if contains(one) else "no"
        yield (
            f"| {one['seed']} | {one['method']} | {mean} \\[{low}, {high}\\] | "
            f"{100 * one['measured']:.1f} | {held} |"
        )


def percent(shares: Sequence[float]) -> str:
    """Return a mean in percent."""
    return f"{100 * float(np.mean(shares)):.1f}"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="one folder of images per class")
    parser.add_argument("--backbone", default="squeezenet1_1")
    parser.add_argument("--weights", default="DEFAULT")
    parser.add_argument("--size", type=int)
    parser.add_argument("--shot", type=int, default=5)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if asked.folder is None:
        print("left out: it needs a folder of images, see --help")
        return
    task = Task(str(asked.folder), asked.backbone, asked.weights, asked.size, asked.shot)
    rows = finished(asked)
    missing = [seed for seed in range(asked.draws) if seed not in {one["seed"] for one in rows}]
    for row in run_in_pool(partial(draw, task), missing, asked.workers):
        rows.append(row)
        stated = row["estimate"]["accuracy"]
        print(
            f"{row['seed']}: {row['method']}, stated {stated:.3f}, measured "
            f"{row['measured']:.3f}, held {contains(row)}",
            flush=True,
        )
        write(asked, rows)
    write(asked, rows)


def finished(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the draws that the results file holds, where it is of the same command."""
    held = json.loads(asked.out.read_text("utf-8")) if asked.out.exists() else {}
    return held["draws"] if held.get("command") == command(asked) else []


def write(asked: argparse.Namespace, rows: Sequence[dict[str, Any]]) -> None:
    """Write the draws so far, and their page."""
    ordered = sorted(rows, key=lambda one: one["seed"])
    record = {
        "command": command(asked),
        "data": asked.folder.name,
        "backbone": asked.backbone,
        "shot": asked.shot,
        "machine": platform.machine(),
        "torch": torch.__version__,
        "asked": asked.draws,
        "held": sum(map(contains, rows)),
        "draws": ordered,
    }
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    asked.out.with_suffix(".md").write_text("\n\n".join(page(record)) + "\n", encoding="utf-8")


def command(asked: argparse.Namespace) -> str:
    """Return the command with DATA for the folder that data and weights lie in."""
    # No path of a machine enters the results.
    folder = f"DATA/{asked.folder.parent.name}/{asked.folder.name}"
    weights = Path(asked.weights)
    given = f" --weights DATA/{weights.name}" if weights.suffix else ""
    size = f" --size {asked.size}" if asked.size else ""
    sizes = f" --shot {asked.shot} --draws {asked.draws}"
    return f"python benchmarks/stated_accuracy.py {folder}{given}{size}{sizes}"


if __name__ == "__main__":
    main()

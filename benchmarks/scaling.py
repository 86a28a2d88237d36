"""What a job costs beside its computing, and so when more workers stop helping.

Candidates of all kinds on digits run with 1 and 2 workers, for few and many episodes. The model is

    seconds = start + each * jobs + computing / workers

where `computing` is the sum of the jobs' own seconds, and `start` and `each` are fitted by least
squares. The part in front does not shrink: at `computing / (start + each * jobs)` workers both
parts are equal, and beyond that twice the workers save less than a quarter of the time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np

import kshot_viz as kv

DOCS = Path(__file__).parents[1] / "docs"
FITTED = re.compile(r"(<!-- fitted -->\n).*?(<!-- /fitted -->)", re.DOTALL)
EPISODES, WORKERS = (1, 2, 4, 8), (1, 2)


def candidates(backbone: kv.Backbone, n: int = 48) -> list[kv.Candidate]:
    """Return groupings, step sizes and frozen layers, mixed."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(n):
        frozen = {f"blocks.{k}": 0.0 for k in range(i % 4)}
        config = kv.FinetuneConfig(lr=float(10 ** rng.uniform(-3.5, -2)), layer_lr=frozen)
        groups = {name: rng.integers(0, 3 + i % 5, 32) for name in backbone.layers}
        found.append(kv.Candidate(kv.Grouping(groups), config))
    return found


def measure(executor: str) -> list[dict[str, Any]]:
    """Run every size with every number of workers, each on episodes of its own."""
    data, backbone = kv.load_dataset("digits"), kv.load_backbone("glyphnet")
    tried = candidates(backbone)
    kv.evaluate(backbone, data, _episodes(data, 1, 0), tried, executor=executor, workers=2)
    found = []
    for workers in WORKERS:
        for seed, n in enumerate(EPISODES, start=1):
            episodes = _episodes(data, n, 10 * workers + seed)
            begin = time.perf_counter()
            rows = kv.evaluate(backbone, data, episodes, tried, executor=executor, workers=workers)
            seconds = time.perf_counter() - begin
            measured = {"workers": workers, "jobs": int(rows.job.nunique()), "seconds": seconds}
            found.append(measured | {"computing": float(rows.seconds.sum())})
            print(f"{executor}: {found[-1]}")
    return found


def fit(measured: list[dict[str, Any]]) -> dict[str, float]:
    """Fit what does not shrink with more workers."""
    beside = [one["seconds"] - one["computing"] / one["workers"] for one in measured]
    jobs = [one["jobs"] for one in measured]
    each, start = np.polyfit(jobs, beside, 1)
    last = measured[-1]
    model = [start + each * m["jobs"] + m["computing"] / m["workers"] for m in measured]
    errors = [abs(a - m["seconds"]) / m["seconds"] for a, m in zip(model, measured, strict=True)]
    return {
        "start": float(start),
        "each": float(each),
        "computing_per_job": last["computing"] / last["jobs"],
        "largest_error": float(max(errors)),
    }


def describe(record: dict[str, Any]) -> str:
    """Say in a table what was fitted."""
    lines = [
        f"Measured with 1 and 2 workers on {record['cores']} cores, mixed candidates on digits:",
        "",
        "| executor | start, s | each job, ms | a job computes, s | workers worth having |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    names = [name for name in ("processes", "ray") if name in record]
    for name in names:
        model = record[name]["model"]
        each, job = max(model["each"], 1e-4), model["computing_per_job"]
        found = f"{model['start']:.2f} | {1e3 * each:.1f} | {job:.2f} | about {job / each:.0f}"
        lines.append(f"| {name} | {found} |")
    errors = [record[name]["model"]["largest_error"] for name in names]
    return "\n".join([*lines, "", f"The model is off by at most {100 * max(errors):.0f} %.", ""])


def _episodes(data: kv.ImageDataset, n: int, seed: int) -> list[kv.Episode]:
    return kv.sample_episodes(data, way=10, shot=1, query=15, n=n, val_share=0.4, seed=seed)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executor", action="append", choices=("processes", "ray"))
    parser.add_argument("--out", type=Path, default=DOCS / "results" / "scaling.json")
    asked = parser.parse_args()
    record: dict[str, Any] = {"cores": os.cpu_count(), "load_average": os.getloadavg()}
    for executor in asked.executor or ("processes", "ray"):
        measured = measure(executor)
        record[executor] = {"measured": measured, "model": fit(measured)}
        print(executor, record[executor]["model"])
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    page = DOCS / "scaling.md"
    text = page.read_text(encoding="utf-8")
    filled = FITTED.sub(lambda marks: marks[1] + describe(record) + marks[2], text)
    page.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()

"""How much faster candidates run than in the plain loop, and how far from the machine's limit.

The loop is the library's reference, `kv.finetune` and scoring one after the other, in one process
with whichever of 1 and 2 threads is faster. Beside it: the loop in two processes,
`torch.func.vmap`, and `kv.evaluate` in one and in two worker processes of one thread. All make
the same predictions, which is asserted first; all run interleaved, every round on another episode;
a ratio is the median over rounds. The limit of a step is the larger of (needed operations /
matmul rate) and (needed bytes / memory rate), both rates measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from speed_parts import cases, page
from speed_parts.contenders import Episodes, Predictions, evaluated, loop, vectorised
from speed_parts.rates import matmul_rate, memory_rate

CASES: dict[str, Callable[[int], cases.Case]] = {
    "linear": cases.linear,
    "head": cases.head,
    "last block": cases.last_block,
    "conv4": cases.conv4,
    "conv4 5-shot": partial(cases.conv4, shot=5),
    "mixed": cases.mixed,
    "squeezenet": cases.squeezenet,
    "squeezenet plain": partial(cases.squeezenet, grouped=False),
}
RESULTS = Path(__file__).parents[1] / "docs" / "results"
# Predictions of two orders of summation may differ where two classes are as good as equal.
AGREEMENT = 0.98


def contenders(case: cases.Case) -> dict[str, Callable[[Episodes], tuple[float, Predictions]]]:
    """Return every way to run a case."""
    found = {
        "loop, 1 thread": lambda one: loop(case, one, 1),
        "loop, 2 threads": lambda one: loop(case, one, 2),
        "loop, 2 processes": lambda one: evaluated(case, one, path="loop", workers=2),
        "ours, 1 process": lambda one: evaluated(case, one, path="fast", workers=1),
        "ours, 2 processes": lambda one: evaluated(case, one, path="fast", workers=2),
    }
    if case.peers:
        found["vmap, 1 thread"] = lambda one: vectorised(case, one)
    return found


def measure(case: cases.Case, limits: dict[str, float]) -> dict[str, Any]:
    """Time all contenders on every episode, after a first round that warms up and compares."""
    ways = contenders(case)
    assert_equal(case, {name: way(case.rounds[0])[1] for name, way in ways.items()})
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for episodes in case.rounds[1:]:
        for name, way in ways.items():
            seconds[name].append(way(episodes)[0])
    return {"title": case.title, "seconds": seconds, **summary(case, seconds, limits)}


def assert_equal(case: cases.Case, predictions: dict[str, Predictions]) -> None:
    """Compare all predictions with the reference's."""
    reference = predictions["loop, 1 thread"]
    for name, found in predictions.items():
        pairs = [
            pair
            for key in found
            if key in reference
            for pair in zip(found[key], reference[key], strict=True)
        ]
        same = sum(a == b for a, b in pairs) / len(pairs)
        assert same >= AGREEMENT, (
            f"{case.name}: {name} agrees in {same:.1%} of the predictions only"
        )


def summary(
    case: cases.Case, seconds: dict[str, list[float]], limits: dict[str, float]
) -> dict[str, Any]:
    """Return median times and ratios, and the share of the limit's rate that is reached."""
    threads = min(
        ("loop, 1 thread", "loop, 2 threads"), key=lambda n: statistics.median(seconds[n])
    )
    ratios = {
        name: [a / b for a, b in zip(seconds[threads], times, strict=True)]
        for name, times in seconds.items()
    }
    limit = max(case.flops / limits["flops"], case.nbytes / limits["bytes"]) * case.steps
    return {
        "loop": threads,
        "milliseconds": {name: 1e3 * statistics.median(t) for name, t in seconds.items()},
        "ratio": {name: statistics.median(r) for name, r in ratios.items()},
        "range": {name: [min(r), max(r)] for name, r in ratios.items()},
        "needed": {"flops": case.flops, "bytes": case.nbytes},
        "limit_milliseconds": 1e3 * limit,
        "of_limit": limit / statistics.median(seconds["ours, 1 process"]),
    }


def show(name: str, found: dict[str, Any]) -> None:
    """Print one case."""
    print(f"\n{name}: {found['title']}")
    needed = found["needed"]
    print(f"  a step needs {needed['flops'] / 1e6:.3g} MFLOP and {needed['bytes'] / 1e6:.3g} MB;")
    print(
        f"  limit {found['limit_milliseconds']:.3g} ms, {found['of_limit']:.0%} of its rate reached"
    )
    for way, ms in found["milliseconds"].items():
        low, high = found["range"][way]
        ratio = found["ratio"][way]
        print(f"  {way:18} {ms:9.2f} ms a candidate, ratio {ratio:6.2f} [{low:.2f}, {high:.2f}]")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="timed episodes")
    parser.add_argument("--only", choices=CASES, action="append", help="cases; all by default")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    parser.add_argument("--out", type=Path, default=RESULTS / "speed_cpu.json", help="JSON file")
    return parser.parse_args()


def main() -> None:
    """Measure, print and write the JSON, then the page of all devices."""
    options = arguments()
    if not options.page:
        run(options)
    records = {one.stem: json.loads(one.read_text()) for one in sorted(RESULTS.glob("speed*.json"))}
    page.write(records, RESULTS / "speed.md")


def run(options: argparse.Namespace) -> None:
    """Time the chosen cases; each is written when it is done."""
    limits = {"flops": matmul_rate(), "bytes": memory_rate()}
    print(f"load average {os.getloadavg()[0]:.2f}, torch {torch.__version__}")
    print(f"one thread: {limits['flops'] / 1e9:.0f} GFLOP/s, {limits['bytes'] / 1e9:.1f} GB/s")
    known = json.loads(options.out.read_text()) if options.only and options.out.exists() else {}
    record = known.get("cases", {})
    for name in options.only or CASES:
        load = os.getloadavg()
        record[name] = measure(CASES[name](options.rounds + 1), limits) | {"load_average": load}
        show(name, record[name])
        written = {
            "device": f"{platform.machine()}, {os.cpu_count()} cores",
            "torch": torch.__version__,
            "rates": limits,
            "cases": record,
        }
        options.out.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

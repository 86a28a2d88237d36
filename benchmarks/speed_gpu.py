"""How much faster candidates run together on a GPU than one at a time on the same GPU.

    python benchmarks/speed_gpu.py

One at a time is the reference, `kv.evaluate(path="loop")`; together is `path="fast"`. The network,
the images and all candidates stay on the device. Predictions are compared first, both ways are
timed on the same episodes in turn, and a ratio is the median over rounds. Without a CUDA device
nothing is measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from speed_parts import cases
from speed_parts.contenders import Episodes, Predictions

import kshot_viz as kv

CASES = {
    "conv4": partial(cases.conv4, n=64),
    "squeezenet": partial(cases.squeezenet, n=32),
    "head": cases.head,
}
RESULTS = Path(__file__).parents[1] / "docs" / "results"
PATHS = ("loop", "fast")
# Sums in another order move predictions where two classes are as good as equal.
AGREEMENT = 0.98


def timed(
    case: cases.Case, episodes: Episodes, path: str, device: str
) -> tuple[float, Predictions]:
    """Return seconds a candidate, and the predictions."""
    chosen = case.candidates[:: case.share] if path == "loop" else case.candidates
    begin = time.perf_counter()
    rows = kv.evaluate(case.backbone, case.data, episodes, chosen, path=path, device=device)
    seconds = time.perf_counter() - begin
    keys = zip(rows.candidate, rows.episode, strict=True)
    return seconds / len(rows), dict(zip(keys, rows.predicted, strict=True))


def agreement(found: Predictions, reference: Predictions) -> float:
    """Return the share of equal predictions."""
    pairs = [pair for key in reference for pair in zip(found[key], reference[key], strict=True)]
    return sum(a == b for a, b in pairs) / len(pairs)


def measure(case: cases.Case, device: str) -> dict[str, Any]:
    """Time both paths on every episode, after a first round that warms up and compares."""
    first = {path: timed(case, case.rounds[0], path, device)[1] for path in PATHS}
    same = agreement(first["fast"], first["loop"])
    assert same >= AGREEMENT, f"{case.name}: the paths agree in {same:.1%} of predictions only"
    seconds: dict[str, list[float]] = {path: [] for path in PATHS}
    for episodes in case.rounds[1:]:
        for path in PATHS:
            seconds[path].append(timed(case, episodes, path, device)[0])
    ratios = [a / b for a, b in zip(seconds["loop"], seconds["fast"], strict=True)]
    return {
        "title": case.title,
        "candidates": len(case.candidates),
        "milliseconds": {path: 1e3 * statistics.median(one) for path, one in seconds.items()},
        "ratio": statistics.median(ratios),
        "range": [min(ratios), max(ratios)],
        "agreement": same,
    }


def main() -> None:
    """Measure, print and write the JSON, named by the device."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="timed episodes")
    parser.add_argument("--only", choices=CASES, action="append", help="cases; all by default")
    parser.add_argument("--device", default="cuda", help="cpu tries the script without a GPU")
    options = parser.parse_args()
    if options.device != "cpu" and not torch.cuda.is_available():
        print("There is no CUDA device here; nothing was measured.")
        return
    name = "cpu" if options.device == "cpu" else torch.cuda.get_device_name()
    found = {}
    for case in options.only or CASES:
        found[case] = one = measure(CASES[case](options.rounds + 1), options.device)
        low, high = one["range"]
        print(f"{case} on {name}: {one['ratio']:.1f} times [{low:.1f}, {high:.1f}]", flush=True)
    if options.device != "cpu":
        file = RESULTS / f"gpu_speed_{'_'.join(name.lower().split())}.json"
        record = {"device": name, "torch": torch.__version__, "cases": found}
        file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

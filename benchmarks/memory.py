"""The memory that 256 candidates take, as planned and under a cap.

Each figure is the highest resident size of a fresh process that evaluates 256 candidates on one
episode, above that of the same process after a single candidate.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speed_parts import cases

import kshot_viz as kv

MIB = 2**20
CAPS: dict[str, tuple[int | None, ...]] = {
    "linear": (None, 32 * MIB, 16 * MIB),
    "conv4": (None, 128 * MIB, 48 * MIB),
}
RESULTS = Path(__file__).parents[1] / "docs" / "results" / "memory.json"


def candidates(case: cases.Case) -> list[kv.Candidate]:
    """Return 256 candidates that take a few steps: memory does not grow with steps."""
    rates = np.geomspace(1e-4, 1e-2, 256)
    first = case.candidates[0]
    return [replace(first, config=first.config.but(lr=float(r), steps=3)) for r in rates]


def peak(name: str, cap: int | None) -> None:
    """Print the bytes above a single candidate, and how many were computed together."""
    torch.set_num_threads(1)
    case = {"linear": cases.linear, "conv4": cases.conv4}[name](2)
    tried = candidates(case)
    request = {"path": "fast", "max_memory": cap}
    kv.evaluate(case.backbone, case.data, case.rounds[0], tried[:1], **request)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = kv.evaluate(case.backbone, case.data, case.rounds[1], tried, **request)
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(json.dumps({"bytes": more, "together": int(rows.chunk.max())}))


def measured(name: str, cap: int | None) -> dict[str, Any]:
    """Measure in a fresh process."""
    command = [sys.executable, __file__, "--peak", name, "--cap", str(cap or 0)]
    # So that glibc gives large blocks back at once, and the peak is what was in use.
    env = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    return {"cap": cap, **json.loads(done.stdout.splitlines()[-1])}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--peak", choices=CAPS, help=argparse.SUPPRESS)
    parser.add_argument("--cap", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peak:
        peak(asked.peak, asked.cap or None)
        return
    record = {name: [measured(name, cap) for cap in caps] for name, caps in CAPS.items()}
    for name, found in record.items():
        for one in found:
            cap = f"{one['cap'] / MIB:.0f} MiB" if one["cap"] else "none"
            print(f"{name}: cap {cap}, {one['together']} together, {one['bytes'] / MIB:.0f} MiB")
            assert not one["cap"] or one["bytes"] <= one["cap"], "the cap was not held"
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What capture costs beside the plain forward pass of resnet18: CPU time, and memory under a cap.

Equality is asserted first. Times are CPU seconds of one thread, interleaved in one run, and the
ratio is the median over rounds. Memory is the highest resident size of fresh processes. Weights are
random.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import kshot_viz as kv

# Many images, and as few as a support set has: there the first image, which goes alone, counts.
MANY, FEW = 64, 10
SETTINGS = [(px, n, pool) for px in (224, 128) for n in (MANY, FEW) for pool in ("grid", "mean")]
LIMIT = " (limit 1.1)"
BATCH = 64
MEMORY = {"images": 2000, "size": 64, "cap": 200 * 2**20}
RESULTS = Path(__file__).parents[1] / "docs" / "results" / "capture.json"


def network(size: int) -> kv.Backbone:
    """Return resnet18 for images of that size, the same at every call."""
    torch.manual_seed(0)
    return kv.load_backbone("resnet18", weights=None, size=size)


def pictures(n: int, size: int) -> Tensor:
    """Return noise as uint8 images."""
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8)


@torch.no_grad()
def plain_pass(backbone: kv.Backbone, images: Tensor) -> Tensor:
    """Run the network as capture does, and keep only what it returns."""
    parts = images.split(BATCH)
    return torch.cat([backbone.module(backbone.prepare(part)) for part in parts])


def assert_equal(backbone: kv.Backbone, images: Tensor, pool: str) -> None:
    """Compare the pass's own output, and every layer with what a hook of three lines records."""
    outputs: list[Tensor] = []
    watch = backbone.module.register_forward_hook(lambda m, i, out: outputs.append(out))
    found = kv.capture_activations(backbone, images, pool=pool, batch_size=BATCH)
    watch.remove()
    torch.testing.assert_close(torch.cat(outputs), plain_pass(backbone, images))
    for name in backbone.layers:
        seen: list[Tensor] = []
        module = backbone.module.get_submodule(name)
        watch = module.register_forward_hook(lambda m, i, out, seen=seen: seen.append(out.clone()))
        plain_pass(backbone, images)
        watch.remove()
        maps = torch.cat(seen)
        cells = F.adaptive_avg_pool2d(maps, [min(4 if pool == "grid" else 1, maps.shape[-1])] * 2)
        expected = cells.flatten(2).transpose(0, 1).flatten(1)
        torch.testing.assert_close(torch.from_numpy(found[name]), expected)


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Return the CPU time of this process while ``work`` runs."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def measure_time(size: int, n: int, pool: str, rounds: int) -> dict[str, Any]:
    """Time the plain pass and capture in turn."""
    backbone, images = network(size), pictures(n, size)
    assert_equal(backbone, images[:8], pool)
    pairs = [
        (
            cpu_seconds(lambda: plain_pass(backbone, images)),
            cpu_seconds(
                lambda: kv.capture_activations(backbone, images, pool=pool, batch_size=BATCH)
            ),
        )
        for _ in range(rounds)
    ]
    ratios = [capture / plain for plain, capture in pairs]
    return {
        "size": size,
        "images": n,
        "pool": pool,
        "plain_seconds": statistics.median(plain for plain, _ in pairs),
        "capture_seconds": statistics.median(capture for _, capture in pairs),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


def peak(kind: str) -> None:
    """Run in a fresh process: print the highest resident size in bytes."""
    backbone, images = network(MEMORY["size"]), pictures(MEMORY["images"], MEMORY["size"])
    if kind == "plain":
        plain_pass(backbone, images)
    else:
        cap = MEMORY["cap"] if kind == "capped" else None
        kv.capture_activations(backbone, images, pool="none", batch_size=BATCH, max_memory=cap)
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def peak_of(kind: str) -> int:
    """Measure one kind of pass in a fresh process, in bytes."""
    command = [sys.executable, __file__, "--peak", kind]
    # So that glibc gives large blocks back at once, and the peak is what was in use.
    env = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    return int(done.stdout)


def measure_memory(rounds: int) -> dict[str, Any]:
    """Compare the peaks of plain passes and of capture, with and without a cap."""
    kinds = ("plain", "capped", "whole")
    peaks = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            peaks[kind].append(peak_of(kind))
    plain, capped, whole = (statistics.median(peaks[kind]) for kind in kinds)
    return MEMORY | {"peaks": peaks, "capped_more": capped - plain, "whole_more": whole - plain}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="interleaved pairs of passes")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the JSON goes")
    parser.add_argument("--peak", choices=("plain", "capped", "whole"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure, print and write."""
    torch.set_num_threads(1)
    asked = arguments()
    if asked.peak:
        peak(asked.peak)
        return
    load = os.getloadavg()
    print(f"load average {load[0]:.1f}, one thread, torch {torch.__version__}")
    # Memory first: on Linux a process starts with the peak of the one that started it.
    memory = measure_memory(rounds=3)
    mega = {key: memory[key] / 2**20 for key in ("cap", "capped_more", "whole_more")}
    print(
        f"{MEMORY['images']} images, pool=none: {mega['capped_more']:.0f} MiB above the plain pass "
        f"under a cap of {mega['cap']:.0f} MiB, {mega['whole_more']:.0f} MiB without a cap"
    )
    times = []
    for size, n, pool in SETTINGS:
        times.append(row := measure_time(size, n, pool, asked.rounds))
        print(
            f"{size} px, {n} images, pool={pool}: plain {row['plain_seconds']:.2f} s, capture "
            f"{row['capture_seconds']:.2f} s, ratio {row['ratio']:.3f}{LIMIT if n == MANY else ''}"
        )
    record = {
        "network": "resnet18, random weights",
        "machine": platform.machine(),
        "torch": torch.__version__,
        "threads": 1,
        "load_average": load,
        "time": times,
        "memory": memory,
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

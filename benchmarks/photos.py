"""Memory and time of 1,000 photographs of 12 megapixels: loading, a comparison, a capture.

The photographs are made on the spot, as JPEG files in a temporary folder. Memory is the highest
resident size of a fresh process, above what the network itself takes there: for loading, the
process with the network in it; for the rest, the same comparison of images that lie in memory as
small as the network sees them. The network is squeezenet1_1 with random weights, since memory and
time do not depend on them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import kshot_viz as kv

SIZE = (4000, 3000)
CLASSES = 10
EPISODES, TUNING = 2, 1
LIMIT = 10**9
GRID = kv.TuningGrid(lrs=(1e-3,), head_lrs=(1e-2,), steps=(5,))
RESULTS = Path(__file__).parents[1] / "docs" / "results" / "photos.json"


def make_photos(folder: Path, count: int) -> None:
    """Write ``count`` photographs into class folders; a class is a pattern under noise."""
    files = [(folder / f"class {i % CLASSES}" / f"{i:04}.jpg", i) for i in range(count)]
    for name in {path.parent for path, _ in files}:
        name.mkdir(parents=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda one: _photo(one[1]).save(one[0], quality=85), files))


def _photo(number: int) -> Image.Image:
    pattern = np.random.default_rng(number % CLASSES).integers(0, 160, (6, 8, 3))
    noise = np.random.default_rng([7, number]).integers(0, 96, (96, 128, 3))
    small = np.kron(pattern, np.ones((16, 16, 1), dtype=np.int64)) + noise
    return Image.fromarray(small.astype(np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)


def peak_bytes() -> int:
    """Return the highest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def stages(folder: Path) -> dict[str, dict[str, Any]]:
    """Load, compare and capture; return seconds and peaks of each, in bytes above the network."""
    torch.set_num_threads(1)
    backbone = kv.load_backbone("squeezenet1_1", weights=None)
    kv.capture_activations(backbone, small_images(1, 1), pool="mean")
    found: dict[str, dict[str, Any]] = {}

    def stage(name: str, work: Callable[[], Any], below: int, **more: Any) -> Any:
        begin = time.perf_counter()
        made = work()
        seconds, above = time.perf_counter() - begin, peak_bytes() - below
        found[name] = {"seconds": seconds, "peak_bytes": above, **more}
        print(f"{name}: {seconds:.0f} s, {above / 1e6:.0f} MB", flush=True)
        return made

    start = peak_bytes()
    data = stage("load", partial(kv.load_dataset, folder), start)
    # Of each class what a task of 15 queries takes, and no more than there is.
    smallest = min(40, *data.counts().values())
    stage("network alone", partial(compare, backbone, small_images(CLASSES, smallest)), start)
    network = peak_bytes()
    made = stage("compare", partial(compare, backbone, data), network)
    found["compare"]["estimated_seconds"] = made.manifest["estimated_seconds"]
    stage("capture", partial(kv.capture_activations, backbone, data, pool="mean"), network)
    return found


def compare(backbone: kv.Backbone, data: kv.ImageDataset) -> kv.Comparison:
    """Compare two methods at one setting, on a few episodes."""
    episodes = kv.sample_episodes(data, way=CLASSES, shot=1, n=EPISODES, min_query=1)
    methods = ["head_only", "plain"]
    return kv.compare_methods(
        backbone, data, episodes, methods=methods, n_val=TUNING, grid=GRID, progress=True
    )


def small_images(classes: int, each: int) -> kv.ImageDataset:
    """Return noise of the size that the network sees."""
    shape = (classes * each, 224, 224, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return kv.ImageDataset.from_arrays(noise, np.repeat(np.arange(classes), each), name="noise")


def measured(folder: Path) -> dict[str, Any]:
    """Measure in a fresh process, which prints its stages and, last, what it found."""
    command = [sys.executable, __file__, "--measure", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        lines = []
        for line in run.stdout or ():
            lines.append(line)
            if not line.startswith("{"):
                print(line, end="", flush=True)
    if run.returncode:
        raise SystemExit(run.returncode)
    return json.loads(lines[-1])


def main() -> None:
    """Make the photographs, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000, help="at least 80")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--photos", type=Path, help="photographs in class folders, not made anew")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(stages(asked.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        photos = asked.photos or Path(folder)
        if asked.photos is None:
            begin = time.perf_counter()
            make_photos(photos, asked.images)
            print(f"made {asked.images} photographs: {time.perf_counter() - begin:.0f} s")
        found = measured(photos)
        images = len(list(photos.rglob("*.jpg")))
    peak = max(one["peak_bytes"] for name, one in found.items() if name != "network alone")
    print(f"peak above the network: {peak / 1e6:.0f} MB (limit {LIMIT / 1e6:.0f})")
    estimated, took = (found["compare"][name] for name in ("estimated_seconds", "seconds"))
    print(f"compare: {estimated:.0f} s estimated, {took:.0f} s taken, {took / estimated:.2f} times")
    record = {
        "images": images,
        "pixels": list(SIZE),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "stages": found,
        "peak_bytes": peak,
    }
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    assert peak < LIMIT, "the limit was not held"


if __name__ == "__main__":
    main()

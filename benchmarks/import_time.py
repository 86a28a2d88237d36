"""What `import kshot_viz` adds to `import torch`: seconds and ratio, in fresh processes."""

from __future__ import annotations

import statistics
import subprocess
import sys

RUNS = 5
TIMED = "import time; t = time.perf_counter(); import {names}; print(time.perf_counter() - t)"


def seconds_to_import(names: str) -> float:
    """Import ``names`` in a fresh process and return the seconds that took."""
    command = [sys.executable, "-c", TIMED.format(names=names)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure both interleaved, so that a busy machine slows both alike."""
    seconds_to_import("torch, kshot_viz")  # fills the disk cache and is not counted
    runs = [
        (seconds_to_import("torch"), seconds_to_import("torch, kshot_viz")) for _ in range(RUNS)
    ]
    torch, both = (statistics.median(times) for times in zip(*runs, strict=True))
    added = statistics.median(with_ours - alone for alone, with_ours in runs)
    print(f"import torch              {torch:.3f} s")
    print(f"import torch, kshot_viz   {both:.3f} s")
    print(f"added {added:+.3f} s, ratio {both / torch:.3f} (median of {RUNS} fresh processes each)")


if __name__ == "__main__":
    main()

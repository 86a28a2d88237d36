"""What a newcomer waits for in the first minutes: README's example, each notebook, the dashboard.

Each runs in a fresh process, beside one busy process that takes a core's time. The dashboard's time
runs from the call that makes it, in a kernel that has loaded images and network, until the figures
of its first view are drawn; all others include the start of Python.

    python benchmarks/first_minute.py [--only NAME ...] [--out docs/results/first_minute.json]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "first_minute.json"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
README, DASHBOARD = "README's Python block", "dashboard, first figures"
LIMITS = {README: 10, **{path.stem: 60 for path in NOTEBOOKS}, DASHBOARD: 10}

NOTEBOOK = """
import sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook, timeout=600, resources={"metadata": {"path": "."}}).execute()
"""
PAGE = """
import time
from pathlib import Path
import kshot_viz as kv
data, backbone = kv.load_dataset("digits"), kv.load_backbone("glyphnet")
source = kv.load_dataset("glyphs", per_class=1)
episodes = kv.sample_episodes(data, way=10, shot=1, query=15, n=5, seed=0)
began = time.perf_counter()
from kshot_viz.widgets.dashboard.whole_dashboard import DashboardTask, WholeDashboard
task = DashboardTask(backbone, data, episodes, source, 0.1, Path("kept"), 0)
page = WholeDashboard(task)
assert page.explorer.wait(120)
print(time.perf_counter() - began)
page.close()
"""


def readme_block() -> str:
    """Return the first Python block of the README."""
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert found is not None, "the README has no Python block"
    return found[1]


@contextmanager
def busy() -> Iterator[None]:
    """Keep a core busy."""
    beside = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        beside.kill()
        beside.wait()


def timed(name: str) -> tuple[float, float]:
    """Run one part in a fresh process and an empty folder.

    Returns
    -------
    tuple of float
        The seconds that it took, and the processor's seconds of the process and its children, which
        depend less on what else runs.
    """
    notebooks = {path.stem: path for path in NOTEBOOKS}
    script, given = {README: (readme_block(), []), DASHBOARD: (PAGE, [])}.get(
        name, (NOTEBOOK, [str(notebooks.get(name))])
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.py"
        path.write_text(script, encoding="utf-8")
        places = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        began, before = time.perf_counter(), processor()
        done = subprocess.run(
            [sys.executable, str(path), *given],
            cwd=folder,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        )
        took, used = time.perf_counter() - began, processor() - before
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return float(done.stdout.split()[-1]) if name == DASHBOARD else took, used


def processor() -> float:
    """Return the processor's seconds of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(times: dict[str, dict[str, Any]]) -> str:
    """Return a row a part: seconds, limit, and whether it is kept."""
    wide = max(map(len, times))
    return "\n".join(
        f"{name:{wide}}  {one['seconds']:6.1f} s ({one['processor_seconds']:5.1f} of processor)  "
        f"limit {one['limit']:3d} s  "
        f"{'kept' if one['kept'] else 'NOT kept'}"
        for name, one in times.items()
    )


def main() -> None:
    """Time, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=LIMITS, default=list(LIMITS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    load, times = list(os.getloadavg()), {}
    for name in asked.only:
        with busy():
            took, used = timed(name)
        limit = LIMITS[name]
        times[name] = {
            "seconds": round(took, 1),
            "processor_seconds": round(used, 1),
            "limit": limit,
            "kept": took <= limit,
        }
        print(table({name: times[name]}), flush=True)
    print(f"\nOn {os.cpu_count()} cores, beside one busy process:\n{table(times)}")
    record = {
        "cores": os.cpu_count(),
        "busy_processes": 1,
        "load_before": load,
        "load_after": list(os.getloadavg()),
        "parts": times,
    }
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

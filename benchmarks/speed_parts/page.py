"""The page of a run of ``speed.py``: its tables, around the reading that a person wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

READING = re.compile(r"<!-- reading -->\n(.*?)<!-- /reading -->", re.DOTALL)
WAYS = (
    "loop, 1 thread",
    "loop, 2 threads",
    "loop, 2 processes",
    "vmap, 1 thread",
    "ours, 1 process",
    "ours, 2 processes",
)


def write(records: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Write one section a device."""
    known = READING.search(path.read_text(encoding="utf-8")) if path.exists() else None
    reading = known.group(1) if known else ""
    parts = [HEAD, f"<!-- reading -->\n{reading}<!-- /reading -->\n"]
    parts += [_section(name, record) for name, record in records.items()]
    path.write_text("\n".join(parts), encoding="utf-8")


def _section(name: str, record: Mapping[str, Any]) -> str:
    rates, cases = record["rates"], record["cases"].values()
    loads = [case["load_average"][0] for case in cases]
    about = (
        f"## {name}\n\n{record['device']}, torch {record['torch']}; load average "
        f"{min(loads):.1f} to {max(loads):.1f}. One thread multiplies matrices at "
        f"{rates['flops'] / 1e9:.0f} GFLOP/s and copies {rates['bytes'] / 1e9:.0f} GB/s.\n"
    )
    ratios = [_ratios(case) for case in cases]
    times = [_times(case) for case in cases]
    return "\n".join([about, _table(RATIOS, ratios), "", _table(TIMES, times), ""])


RATIOS = (
    "what runs",
    "per core",
    "two processes",
    "loop in two processes",
    "vmap",
    "needed a step",
    "limit, ms",
    "of its rate",
)
TIMES = ("milliseconds a candidate", *WAYS)


def _ratios(case: Mapping[str, Any]) -> list[str]:
    ms, needed = case["milliseconds"], case["needed"]
    per_core = ms["loop, 1 thread"] / ms["ours, 1 process"]
    return [
        case["title"],
        f"{per_core:.1f}",
        _with_range(case, "ours, 2 processes"),
        f"{case['ratio']['loop, 2 processes']:.1f}",
        f"{case['ratio']['vmap, 1 thread']:.1f}" if "vmap, 1 thread" in ms else "",
        f"{needed['flops'] / 1e6:.3g} MFLOP, {needed['bytes'] / 1e6:.3g} MB",
        f"{case['limit_milliseconds']:.3g}",
        f"{100 * case['of_limit']:.0f} %",
    ]


def _with_range(case: Mapping[str, Any], way: str) -> str:
    low, high = case["range"][way]
    return f"**{case['ratio'][way]:.1f}** [{low:.1f}, {high:.1f}]"


def _times(case: Mapping[str, Any]) -> list[str]:
    ms = case["milliseconds"]
    return [case["title"], *(f"{ms[way]:.3g}" if way in ms else "" for way in WAYS)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


HEAD = """# How fast candidates run

Made by `python benchmarks/speed.py` (numbers: `speed*.json` beside this page; this page:
`python benchmarks/speed.py --page`). The loop is the reference, `kv.finetune` and scoring,
candidate by candidate, in one process with 1 or 2 threads, whichever is faster. All make
the same predictions, which is asserted first; all run interleaved, each round on other episodes; a
ratio is the median over rounds with its range. "Per core" compares one thread of the loop with one
worker process; "two processes" is `kv.evaluate(..., executor="processes", workers=2)` against
the faster loop, everything included (planning, sending, scoring). The limit is the larger of the
operations a step needs over the rate of a large matrix product, and the bytes it needs over the
rate of a large copy, times the steps. Of many candidates the loop and `vmap` run every 8th to 32nd.
"""

"""What a search costs beyond the fine-tuning: controller, proposals, ledger.

A search of 200 candidates on digits-sized tasks with a journal on disk. Everything that is not
scoring counts as overhead: the controller's proposals and updates, the canonical candidates, and
one synchronised record a trial in the journal.

    python benchmarks/search_overhead.py
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import kshot_viz as kv
from kshot_viz.search.rewards.scorer import Scorer
from kshot_viz.search.storage.ledger import Ledger

BUDGET = 200
RESULTS = Path(__file__).parents[1] / "docs" / "results"


class Clock:
    """Adds up the seconds spent inside some methods."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def watch(self, owner: type, method: str, name: str) -> None:
        """Time every call of a method from now on."""
        whole = getattr(owner, method)
        self.seconds[name] = 0.0

        def timed(*given: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return whole(*given, **options)
            finally:
                self.seconds[name] += time.perf_counter() - started

        setattr(owner, method, timed)


def main() -> None:
    """Run the search, print the shares and write them."""
    backbone = kv.load_backbone("glyphnet")
    reward = kv.pseudo_episode_reward(kv.load_dataset("glyphs"), way=10, shot=1, n=4)
    clock = Clock()
    clock.watch(Scorer, "__call__", "scoring")
    clock.watch(Ledger, "add", "writing")
    with tempfile.TemporaryDirectory() as folder:
        search = kv.GroupSearch(
            backbone,
            reward,
            budget=BUDGET,
            storage=Path(folder) / "search.journal",
            executor="processes",
        )
        started = time.perf_counter()
        found = search.run()
        total = time.perf_counter() - started
    trials = len(found.rollouts)
    overhead = total - clock.seconds["scoring"]
    record = {
        "candidates": trials,
        "seconds": total,
        "scoring_seconds": clock.seconds["scoring"],
        "writing_milliseconds_a_trial": 1e3 * clock.seconds["writing"] / trials,
        "overhead_milliseconds_a_trial": 1e3 * overhead / trials,
        "overhead_share": overhead / total,
        "load_average": os.getloadavg(),
    }
    for name, value in record.items():
        print(f"{name}: {value}")
    path = RESULTS / "search_overhead.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

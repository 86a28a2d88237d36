"""A search of a second; run as a script it searches in a process that kills itself.

``python small_search.py JOURNAL [WHEN COUNT]`` dies before, in the middle of, or after the write of
that number.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from networks import toy_backbone, toy_data

import kshot_viz as kv


def small_backbone() -> kv.Backbone:
    return toy_backbone()


def small_reward():
    return kv.pseudo_episode_reward(toy_data(4, 8), way=3, shot=1, query=4, n=4, seed=1)


def small_search(storage, **changes) -> kv.GroupSearch:
    from kshot_viz.search.controller.reinforce import ReinforceConfig

    backbone = small_backbone()
    space = kv.GroupSpace.of(
        backbone, config=kv.FinetuneConfig(lr=0.01, steps=3), n_groups=(0.0, 0.5, 1.0)
    )
    options = {"budget": 12, "learning": ReinforceConfig(batch_size=4), "seed": 5, **changes}
    return kv.GroupSearch(backbone, small_reward(), space=space, storage=storage, **options)


def tiny_space() -> kv.GroupSpace:
    """Return a space of few points, all of them with groups from weights or none."""
    config = kv.FinetuneConfig(lr=0.01, steps=2)
    only = {"max_within": (None,), "min_between": (None,), "groups_from": ("weights",)}
    return kv.GroupSpace.of(
        small_backbone(), n_groups=(0.5, 1.0), step_size=(1.0,), config=config, **only
    )


def after_batch(search: kv.GroupSearch, act: Callable[[], object], number: int = 1) -> list[str]:
    """Act once, right after so many batches; return the list of kinds of events as it grows."""
    add, seen = search.events.add, []

    def add_and_act(kind, **details):
        add(kind, **details)
        seen.append(kind)
        if kind == "batch" and seen.count("batch") == number:
            act()

    search.events.add = add_and_act
    return seen


def wait_for(search: kv.GroupSearch, kind: str) -> bool:
    """Wait a minute for an event, and return whether it came."""
    seen, end = 0, time.monotonic() + 60
    while time.monotonic() < end:
        for event in search.events.since(seen, timeout=1):
            seen += 1
            if event.kind == kind:
                return True
    return False


def die_at(when: str, count: int) -> None:
    """Kill this process at one of its writes to the journal."""
    from optuna.storages.journal import JournalFileBackend

    whole, done = JournalFileBackend.append_logs, [0]

    def append(self, logs):
        done[0] += 1
        if done[0] == count and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if done[0] == count and when == "middle":
            self._lock.acquire()
            with Path(self._file_path).open("ab") as file:
                file.write(b'{"op_code":4,"study_id":0,"va')
                file.flush()
                os.fsync(file.fileno())
            os.kill(os.getpid(), signal.SIGKILL)
        whole(self, logs)
        if done[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)

    JournalFileBackend.append_logs = append


if __name__ == "__main__":
    if len(sys.argv) > 2:
        die_at(sys.argv[2], int(sys.argv[3]))
    small_search(sys.argv[1]).run()

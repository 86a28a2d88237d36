"""A search of a second; run as a script it searches in a process that kills itself.

``python small_search.py JOURNAL [WHEN COUNT]`` dies before, in the middle of, or after the write of
that number.
"""

from __future__ import annotations

import os
import signal
import sys
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

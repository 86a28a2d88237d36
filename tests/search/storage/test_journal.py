"""The journal file: its locks, torn lines, and searches that were killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from optuna.storages.journal import JournalFileBackend
from pandas.testing import assert_frame_equal
from small_search import small_search

from kshot_viz.errors import KShotFileError
from kshot_viz.search.storage.storages import Owner, WriteLock, in_use

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "support" / "small_search.py"
TORN = b'{"op_code":4,"study_id":0,"va'
WRITES = [("before", 1), ("after", 1), ("middle", 2), ("after", 2), ("middle", 3)]
WRITES += [("before", 4), ("middle", 6), ("after", 7), ("middle", 9), ("after", 12)]


@pytest.mark.parametrize(
    "tail", [TORN + b'{"op_code":2,"study_id":0}\n', b"\0" * 4096, TORN + b"\0" * 99 + b"\n"]
)
def test_a_line_written_behind_a_torn_one_is_cut_with_it_and_so_are_zeros(tmp_path, tail):
    journal = tmp_path / "a.journal"
    whole = small_search(journal, budget=8).run().history
    journal.unlink()
    small_search(journal, budget=4).run()
    with journal.open("ab") as file:
        file.write(tail)
    assert small_search(journal, budget=8).run().history.equals(whole)
    assert len(list(tmp_path.glob("*.torn-*"))) == 1


def test_no_file_comes_and_goes_beside_a_journal(tmp_path):
    seen = set()
    search = small_search(tmp_path / "a.journal", budget=8)
    add = JournalFileBackend.append_logs

    def append(self, logs):
        self._lock.acquire()
        seen.update(path.name for path in tmp_path.iterdir())
        self._lock.release()
        add(self, logs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JournalFileBackend, "append_logs", append)
        search.run()
    assert seen == {"a.journal", "a.journal.owner", ".a.journal.write"}
    assert {path.name for path in tmp_path.iterdir()} == seen


def test_writers_wait_for_each_other(tmp_path):
    first, second = (WriteLock(tmp_path / "a.journal") for _ in range(2))
    first.acquire()
    order = []
    thread = threading.Thread(target=lambda: (second.acquire(), order.append("second")))
    thread.start()
    order.append("first")
    first.release()
    thread.join()
    second.release()
    assert order == ["first", "second"]


def killed(journal, *how, after=None):
    """Search in a process of its own that is killed; return whether it was."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(journal), *how], env=env)
    try:
        return process.wait(after) != 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True


@pytest.mark.parametrize(("when", "count"), WRITES)
def test_killed_at_a_write_it_goes_on_as_if_it_had_not_been(when, count, tmp_path, whole):
    journal = tmp_path / "a.journal"
    assert killed(journal, when, str(count))
    assert_frame_equal(small_search(journal).run().history, whole)
    assert bool(list(tmp_path.glob("*.torn-*"))) == (when == "middle")


def test_killed_at_any_time_it_goes_on_as_if_it_had_not_been(tmp_path, whole):
    begin = time.monotonic()
    assert not killed(tmp_path / "first.journal")
    seconds = time.monotonic() - begin
    times = random.Random(0)
    for number in range(5):
        journal = tmp_path / f"{number}.journal"
        killed(journal, after=times.uniform(0.2, 1.0) * seconds)
        assert_frame_equal(small_search(journal).run().history, whole)


def test_a_journal_has_one_owner_at_a_time_whichever_thread_releases_it(tmp_path):
    journal = tmp_path / "a.journal"
    journal.touch()
    first = Owner(journal)
    with pytest.raises(KShotFileError, match="in use by another search"):
        Owner(journal)
    assert in_use(journal)
    thread = threading.Thread(target=first.release)
    thread.start()
    thread.join()
    assert not in_use(journal)
    Owner(journal).release()

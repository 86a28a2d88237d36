"""The process pool: it gives results or an error, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
from networks import toy_backbone, toy_data
from pool_work import awkward, die, fail, half_a_result, sleep, whose
from processes import GONE, finished, linux, marked, script

from kshot_viz.data.episodes import sample_episodes
from kshot_viz.errors import KShotError
from kshot_viz.evaluate import pool
from kshot_viz.evaluate.evaluate import evaluate
from kshot_viz.evaluate.pool import run_in_pool
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig

# Scripts print the processes that they started, and go on until they are ended.
WORKING = """
    import time
    from kshot_viz.evaluate import executors, pool

    def work(number):
        time.sleep(600)

    results = pool.run_in_pool(work, [1, 2, 3], 2)
    import threading
    threading.Thread(target=lambda: list(results), daemon=True).start()
    while len(pool._STARTED) < 2:
        time.sleep(0.01)
    time.sleep(1.0)
"""


def processes() -> set[int]:
    """Return the processes that two calls are shared out to."""
    results = list(run_in_pool(whose, range(4), 2))
    assert sorted(number for number, _ in results) == list(range(4))
    return {pid for _, pid in results}


def test_processes_stay_up_for_the_next_call():
    first = processes()
    assert len(first) == 2
    assert os.getpid() not in first
    assert processes() == first


def test_more_workers_than_work_are_not_started():
    pool.end_all()
    assert len(list(run_in_pool(whose, [1, 2], 5))) == 2
    assert len(pool._STARTED) == 2
    assert list(run_in_pool(whose, [], 2)) == []


def test_functions_and_classes_made_here_travel():
    class Made:
        value = 3

    assert sorted(run_in_pool(lambda one: one.value + Made.value, [Made(), Made()], 2)) == [6, 6]


def test_an_error_is_raised_here_and_says_where_it_came_from():
    with pytest.raises(ValueError, match="no 7") as caught:
        list(run_in_pool(fail, [7, 7], 2))
    assert "in fail" in str(caught.value.__cause__)
    with pytest.raises(RuntimeError, match="AwkwardError: thisthat"):
        list(run_in_pool(awkward, [1, 2], 2))
    assert len(processes()) == 2


def test_what_cannot_be_sent_is_an_error():
    with pytest.raises(KShotError, match=r"cannot be sent to a worker process.*lock"):
        list(run_in_pool(whose, [threading.Lock()], 2))


def test_a_process_that_dies_is_an_error_and_the_next_call_starts_another():
    before = processes()
    with pytest.raises(KShotError, match=r"worker process died \(signal 9\).*fewer `workers`"):
        list(run_in_pool(die, [1, 2], 2))
    after = processes()
    assert len(after) == 2
    assert before != after


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_dies_while_it_sends_is_an_error_though_its_child_holds_the_pipe():
    processes()
    start = time.monotonic()
    with pytest.raises(KShotError, match=r"worker process died \(signal 9\)"):
        list(run_in_pool(half_a_result, [20.0, 20.0], 2))
    assert time.monotonic() - start < 15
    assert len(processes()) == 2


def test_a_process_that_ended_between_two_calls_is_replaced():
    first = processes()
    os.kill(min(first), signal.SIGKILL)
    second = processes()
    assert len(second) == 2
    assert min(first) not in second


@pytest.mark.slow
def test_warnings_that_are_errors_change_nothing():
    """Ended processes are replaced, and no warning of theirs is an error where all are."""
    data = toy_data(3, 24)
    episodes = sample_episodes(data, way=3, shot=1, query=5, n=2, val_share=0, seed=0)
    candidates = [Candidate(None, FinetuneConfig(steps=1))]

    def rows() -> int:
        options = {"executor": "processes", "workers": 2}
        return len(evaluate(toy_backbone(), data, episodes, candidates, **options))

    assert rows() == 2
    for pid in processes():
        os.kill(pid, signal.SIGKILL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        assert rows() == 2
        with pytest.raises(KShotError, match="died"):
            list(run_in_pool(die, [1, 2], 2))
        assert warnings.filters == before


def test_what_is_left_of_a_call_is_ended_with_it():
    before = processes()
    results = run_in_pool(sleep, [0.0, 600.0, 600.0], 2)
    assert next(results) == 0.0
    busy = [one._process.pid for one in pool._STARTED]
    results.close()
    assert set(busy) == before
    assert len(pool._STARTED) == 0
    assert processes().isdisjoint(before)


@pytest.mark.slow
def test_an_interrupt_ends_the_wait_and_the_next_call_works():
    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    processes()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        list(run_in_pool(sleep, [600.0, 600.0], 2))
    assert len(processes()) == 2


def endless(folder: Path) -> Method:
    """Return a method that never ends; its processes leave their numbers in a folder."""

    # Made here, so that it travels to other processes as one of a notebook does.
    @dataclass(frozen=True)
    class Endless(Method):
        name = "endless"
        label = "endless"

        def loss(self, network, batch):
            (folder / str(os.getpid())).touch()
            time.sleep(600)

    return Endless()


@pytest.mark.slow
def test_an_interrupt_of_evaluate_ends_its_processes_at_once(tmp_path):
    def interrupt():
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        signal.raise_signal(signal.SIGINT)

    data = toy_data(3, 24)
    episodes = sample_episodes(data, way=3, shot=1, query=5, n=2, val_share=0, seed=0)
    candidates = [Candidate(None, FinetuneConfig(steps=1), method=endless(tmp_path))]
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        evaluate(toy_backbone(), data, episodes, candidates, executor="processes", workers=2)
    for one in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(one.name), 0)


@pytest.mark.slow
def test_an_error_of_evaluate_ends_its_processes_at_once(tmp_path):
    """Though the traceback, which a notebook keeps, holds the generator."""

    class Enough(Exception):  # noqa: N818 - the test's own
        pass

    def watch(done, total):
        if done:
            raise Enough

    data = toy_data(3, 24)
    episodes = sample_episodes(data, way=3, shot=1, query=5, n=1, val_share=0, seed=0)
    config = FinetuneConfig(steps=1)
    candidates = [Candidate(None, config), Candidate(None, config, method=endless(tmp_path))]
    options = {"executor": "processes", "workers": 2, "watch": watch}
    processes()
    with pytest.raises(Enough) as caught:
        evaluate(toy_backbone(), data, episodes, candidates, **options)
    assert caught.value.__traceback__ is not None
    assert len(pool._STARTED) == 1


def test_two_calls_at_a_time_share_no_process():
    found: list[set[int]] = []
    threads = [threading.Thread(target=lambda: found.append(processes())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert [len(one) for one in found] == [2, 2]
    assert found[0].isdisjoint(found[1])


def test_no_process_at_all_is_an_error_that_says_why():
    printed = finished(
        """
        import os, resource
        from kshot_viz.errors import KShotError
        from kshot_viz.evaluate.pool import run_in_pool

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        for room in range(12):
            used = len(os.listdir("/dev/fd"))
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + room, most))
            try:
                list(run_in_pool(abs, [-1, -2], 2))
            except KShotError as error:
                print(error)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
        print(sorted(run_in_pool(abs, [-1, -2], 2)))
        """
    )
    lines = printed.strip().splitlines()
    assert lines[-1] == "[1, 2]"
    assert "No worker process could be started: [Errno 24] Too many open files" in lines[0]


@pytest.mark.slow
@linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_their_parent(number):
    running = script(WORKING + "\n    print('ready', flush=True)\n    time.sleep(600)")
    assert running.line() == "ready"
    assert running.end(number) == -number
    assert running.left() == []


@pytest.mark.slow
@linux
def test_processes_end_though_a_copy_of_their_parent_lives():
    copied = """
    import os
    copy = os.fork()
    if copy:
        print(copy, *(worker._process.pid for worker in pool._STARTED), flush=True)
    time.sleep(600)
    """
    running = script(WORKING + copied)
    copy, *working = map(int, running.line().split())
    assert len(working) == 2
    running.end(signal.SIGKILL)
    end = time.monotonic() + GONE
    while set(working) & set(marked(running.mark)) and time.monotonic() < end:
        time.sleep(0.05)
    assert set(working).isdisjoint(marked(running.mark))
    os.kill(copy, signal.SIGKILL)
    assert running.left() == []


@pytest.mark.slow
@linux
def test_the_end_of_python_does_not_wait_for_what_is_left():
    # The processes would work for twice as long.
    finished(WORKING, within=300)


@linux
def test_a_process_that_belongs_to_no_call_ends():
    finished(
        """
        import multiprocessing, os
        from kshot_viz.evaluate import worker

        worker.IDLE_SECONDS = 0.2
        here, there = multiprocessing.Pipe()
        here.send_bytes(worker.HELLO)
        here.send_bytes(worker.REST)
        worker.serve(there, os.getppid())
        assert here.recv_bytes() == worker.HELLO
        """
    )

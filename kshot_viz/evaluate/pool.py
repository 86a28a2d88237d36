"""Processes that stay up for the next call; every wait for one of them ends.

A process has a pipe of its own and works on one thing at a time, so there is no thread, no queue
and no lock that it could leave behind in a bad state. It is started by joblib's loky, which runs
nothing of the caller's main module, and what is sent is packed by cloudpickle: classes that were
made in a notebook travel too.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from joblib.externals.loky.backend import get_context
from joblib.externals.loky.backend.reduction import dumps, loads

from kshot_viz.errors import KShotError
from kshot_viz.evaluate.watched_pipe import LOOK_SECONDS, WatchedConnection
from kshot_viz.evaluate.worker import HELLO, REST, serve

_log = logging.getLogger(__name__)
# Seconds that starting may take, on a machine that is very busy.
START_SECONDS = 300.0


def run_in_pool(
    function: Callable[[Any], Any], arguments: Sequence[Any], workers: int
) -> Generator[Any, None, None]:
    """Call a function with each argument, in several processes; results come as they finish.

    Where the generator is closed, or an error or an interrupt ends it, the processes that are
    still working are ended, and the next call replaces them.

    Parameters
    ----------
    function : callable
    arguments : sequence
    workers : int
        Processes to use; fewer where the system cannot start as many.

    Raises
    ------
    KShotError
        If no process can be started, one of them ends, or an argument cannot be sent.
    """
    packed = (_packed(function, one) for one in arguments)
    idle: list[Worker] = []
    busy: list[Worker] = []
    results: list[Any] = []
    try:
        idle += _POOL.take(min(workers, len(arguments)))
        # Packed while the others work.
        following = next(packed, None)
        while following is not None or busy or results:
            if following is not None and idle:
                busy.append(idle.pop())
                busy[-1].send(following)
                following = next(packed, None)
            elif results:
                yield results.pop()
            else:
                done = _first_finished(busy)
                results.append(done.receive())
                busy.remove(done)
                idle.append(done)
    finally:
        for worker in busy:
            worker.kill()
        _POOL.leave(idle)


class Worker:
    """A process, as the one that started it sees it."""

    def __init__(self) -> None:
        context = get_context("loky")
        self.connection, theirs = context.Pipe()
        if os.name == "posix":
            self.connection = WatchedConnection(self.connection, lambda: self.alive)
        self._process = context.Process(target=serve, args=(theirs, os.getpid()), env=_one_thread())
        try:
            self._process.start()
        finally:
            theirs.close()
        _STARTED.append(self)
        _log.debug("process %s is started for runs", self._process.pid)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.exitcode is None

    def greet(self) -> None:
        """Ask for a sign of life; :meth:`responds` waits for it."""
        with suppress(OSError):
            self.connection.send_bytes(HELLO)

    def responds(self, end: float) -> bool:
        """Wait for the sign of life until a moment of the monotonic clock."""
        try:
            while not self.connection.poll(LOOK_SECONDS):
                if not self.alive or time.monotonic() > end:
                    return False
            return self.connection.recv_bytes() == HELLO
        except (EOFError, OSError):
            return False

    def send(self, message: bytes) -> None:
        """Send work, or raise a KShotError if the process has ended."""
        try:
            self.connection.send_bytes(message)
        except OSError as error:
            raise self._ended() from error

    def receive(self) -> Any:
        """Return the result of what was sent, or raise its error."""
        try:
            ok, value, text = loads(self.connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if ok:
            return value
        raise value from _RemoteError(text)

    def rest(self) -> bool:
        """Say that the call is over; return whether the process may serve another one."""
        try:
            self.connection.send_bytes(REST)
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self.alive:
            with suppress(OSError):
                # loky's `terminate` is a request that code in the process may have turned down.
                _end(self._process)
        self.connection.close()
        with suppress(ValueError):
            _STARTED.remove(self)
        self._process.join(LOOK_SECONDS)

    def _ended(self) -> KShotError:
        self._process.join(LOOK_SECONDS)
        code = self._process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        return KShotError(
            f"A worker process died ({how}), most likely for lack of memory. Finished rows are "
            "kept where `store=` was given; run again with fewer `workers`."
        )


def _end(process: Any) -> None:
    if hasattr(signal, "SIGKILL"):
        os.kill(process.pid, signal.SIGKILL)
    else:
        process.terminate()


class _RemoteError(Exception):
    """Shows where in another process an error was raised."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class _Pool:
    """Processes that belong to no call at the moment.

    Calls of several threads share none: each takes what is there and starts the rest.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resting: list[Worker] = []

    def take(self, wanted: int) -> list[Worker]:
        """Return processes that respond, as many as wanted or as can be started."""
        with self._lock:
            taken = [self._resting.pop() for _ in range(min(wanted, len(self._resting)))]
        try:
            found = _responding(taken)
            begun, why = _begin(wanted - len(found), taken)
            found += _responding(begun)
        except BaseException:
            for worker in taken:
                worker.kill()
            raise
        if wanted and not found:
            raise KShotError(
                f"No worker process could be started: {why or 'they ended at once'}. Close other "
                "programs or raise the limits of open files, processes and memory; "
                "executor='serial' needs no other process."
            )
        return found

    def leave(self, workers: Sequence[Worker]) -> None:
        """Keep processes for the next call."""
        for worker in workers:
            if worker.rest():
                with self._lock:
                    self._resting.append(worker)
            else:
                worker.kill()


def _begin(wanted: int, taken: list[Worker]) -> tuple[list[Worker], str]:
    """Start processes, as far as the system allows; also return what it said."""
    begun: list[Worker] = []
    for _ in range(wanted):
        try:
            begun.append(Worker())
            taken.append(begun[-1])
        except Exception as error:
            # Where it cannot open a pipe, loky stumbles over what it has not made yet.
            return begun, str(error.__context__ or error)
    return begun, ""


def _responding(workers: Sequence[Worker]) -> list[Worker]:
    """Return the processes that give a sign of life; the others are ended."""
    end = time.monotonic() + START_SECONDS
    for worker in workers:
        worker.greet()
    found = []
    for worker in workers:
        if worker.responds(end):
            found.append(worker)
        else:
            worker.kill()
    return found


def _packed(function: Callable[[Any], Any], argument: Any) -> bytes:
    try:
        return dumps((function, argument))
    except Exception as error:
        raise KShotError(
            f"A method, loss or preprocessing cannot be sent to a worker process: {error} Take "
            "what it holds apart from plain values, or use executor='serial'."
        ) from error


def _first_finished(busy: Sequence[Worker]) -> Worker:
    """Wait until a process has finished what it was sent, or has ended."""
    by_connection: dict[Connection, Worker] = {one.connection: one for one in busy}
    while True:
        for connection in wait(list(by_connection), LOOK_SECONDS):
            return by_connection[connection]  # type: ignore[index]
        for worker in busy:
            # One of its own children may hold the pipe open.
            if not worker.alive and not worker.connection.poll():
                raise worker._ended()


def _one_thread() -> dict[str, str]:
    """Return the environment in which libraries begin with one thread, unless the user says so."""
    names = [f"{one}_NUM_THREADS" for one in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")]
    return {name: "1" for name in (*names, "VECLIB_MAXIMUM_THREADS") if name not in os.environ}


# All that were started and not ended.
_STARTED: list[Worker] = []
_POOL = _Pool()


def end_all() -> None:
    """End every process of the pool; a call in progress fails."""
    for worker in list(_STARTED):
        worker.kill()


def _forget() -> None:
    """Leave the processes to the parent, in a copy of it that was forked."""
    global _POOL
    _POOL = _Pool()
    _STARTED.clear()


# Before multiprocessing waits for its children, which wait for this process to end.
atexit.register(end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

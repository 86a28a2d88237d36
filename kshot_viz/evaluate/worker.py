"""A process of the pool: it runs what it is sent, and ends with the process that started it.

Little is imported here, so that a process which is starting already sees the end of its parent.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import sys
import threading
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from joblib.externals.loky.backend.reduction import dumps, loads

# Sent to ask whether the process is there, which sends it back; and at the end of a call.
HELLO, REST = b"hello", b"rest"
# Seconds between two looks at the parent, where the end of the pipe alone does not tell.
LOOK_SECONDS = 1.0
# Seconds after which a process that belongs to no call ends.
IDLE_SECONDS = 300.0


def serve(connection: Connection, parent: int) -> None:
    """Run what is sent until the parent, whose process id this is, ends or sends nothing more."""
    # Ctrl-C reaches every process of a terminal; the parent ends this one if it has to.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, parent, inbox), daemon=True).start()
    resting = True
    while True:
        try:
            message = inbox.get(timeout=IDLE_SECONDS if resting else None)
        except queue.Empty:
            return
        resting = message == REST
        if resting:
            _rest()
            continue
        result = HELLO if message == HELLO else _result(message)
        with suppress(OSError):
            # Where the parent is gone, the other thread ends this process.
            connection.send_bytes(result)


def _receive(connection: Connection, parent: int, inbox: queue.SimpleQueue[bytes]) -> None:
    """Hand on what arrives, and end the process where nothing more can."""
    try:
        while True:
            while not connection.poll(LOOK_SECONDS):
                if _orphaned(parent):
                    os._exit(1)
            inbox.put(connection.recv_bytes())
    except (EOFError, OSError):
        os._exit(1)


def _orphaned(parent: int) -> bool:
    # A copy of the parent that was forked may hold the pipe open. Windows keeps the old number.
    return os.name == "posix" and os.getppid() != parent


def _result(message: bytes) -> bytes:
    """Run what was sent; return its result, or the error with its traceback as text."""
    result: tuple[bool, Any, str]
    try:
        function, argument = loads(message)
        result = True, function(argument), ""
    except BaseException as error:
        result = False, error, traceback.format_exc()
    with suppress(OSError, ValueError, AttributeError):
        # What was printed is seen at once; there may be no stream to print to.
        sys.stdout.flush()
    try:
        packed = dumps(result)
        if not result[0]:
            # An error may be packed and yet not be unpacked again.
            loads(packed)
    except Exception:
        why = result[2] or traceback.format_exc()
        packed = dumps((False, RuntimeError(str(why).strip().splitlines()[-1]), why))
    return packed


def _rest() -> None:
    """Keep no images and no memory while nothing is asked for."""
    if "kshot_viz.evaluate.episode_cache" in sys.modules:
        from kshot_viz.evaluate.episode_cache import clear_episode_cache
        from kshot_viz.evaluate.memory import give_memory_back

        clear_episode_cache()
        give_memory_back()

"""A pipe to a process: messages arrive whole, and the end of the process ends every wait."""

from __future__ import annotations

import os
import threading
import time
from multiprocessing import Pipe

import pytest

from kshot_viz.evaluate.watched_pipe import WatchedConnection

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs file descriptors")
LARGE = bytes(range(256)) * 20_000


@pytest.fixture
def ends():
    """A watched end, the other end, and what takes the process at the other end away."""
    here, there = Pipe()
    gone = threading.Event()
    watched = WatchedConnection(here, lambda: not gone.is_set())
    yield watched, there, gone.set
    watched.close()
    there.close()


@pytest.mark.parametrize("message", [b"hello", LARGE], ids=["small", "large"])
def test_messages_arrive_whole(ends, message):
    watched, there, _ = ends

    def echo():
        received = there.recv_bytes()
        # The other end waits for a moment.
        time.sleep(0.05)
        there.send_bytes(received)

    thread = threading.Thread(target=echo)
    thread.start()
    watched.send_bytes(message)
    assert watched.recv_bytes() == message
    thread.join()


def test_a_message_that_was_sent_whole_is_read_though_its_process_ended(ends):
    watched, there, end = ends
    there.send_bytes(b"the last one")
    end()
    assert watched.recv_bytes() == b"the last one"


def test_half_a_message_of_a_process_that_ended_is_an_error(ends):
    """The pipe is open still, as where a child of that process holds it."""
    watched, there, end = ends
    os.write(there.fileno(), (1000).to_bytes(4, "big") + b"x" * 10)
    end()
    with pytest.raises(BrokenPipeError, match="process has ended"):
        watched.recv_bytes()


def test_a_message_to_a_process_that_ended_is_an_error(ends):
    watched, _, end = ends
    end()
    with pytest.raises(BrokenPipeError, match="process has ended"):
        watched.send_bytes(LARGE)

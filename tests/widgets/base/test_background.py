"""Work beside the kernel: the last request wins, and an error is handed on."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from kshot_viz.widgets.base.background import EVERY, Background, Redraw, Ticker

PATIENCE = 30


def never(error: Exception) -> None:
    raise AssertionError(error)


class Pauses:
    """Pauses that last until the test says so."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.begun, self.over = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.begun.release()
        assert self.over.acquire(timeout=PATIENCE)


def test_many_requests_make_the_first_and_the_last_picture():
    pauses, state, drawn = Pauses(), [0], []
    redraw = Redraw(lambda: drawn.append(state[0]), never, pause=pauses)
    redraw.ask()
    assert pauses.begun.acquire(timeout=PATIENCE)
    for state[0] in range(1, 50):
        redraw.ask()
    pauses.over.release(2)
    assert redraw.wait(PATIENCE)
    assert drawn == [0, 49]


def test_work_that_rests_gives_way_to_what_is_asked_for_meanwhile():
    done: list[str] = []
    background = Background(never)
    background.start(lambda: "dragged", done.append, rest=PATIENCE)
    background.start(lambda: "let go", done.append)
    assert background.wait(PATIENCE)
    assert done == ["let go"]


def test_at_most_four_pictures_a_second():
    pauses: list[float] = []
    redraw = Redraw(lambda: None, never, pause=pauses.append)
    redraw.ask()
    assert redraw.wait(PATIENCE)
    assert EVERY == 0.25
    assert len(pauses) == 1
    assert 0 <= pauses[0] <= EVERY


def test_an_error_while_drawing_is_handed_on_and_drawing_goes_on():
    errors, drawn = [], []

    def draw() -> None:
        if not errors:
            raise ValueError("no paper")
        drawn.append(1)

    redraw = Redraw(draw, errors.append, pause=lambda seconds: None)
    redraw.ask()
    assert redraw.wait(PATIENCE)
    redraw.ask()
    assert redraw.wait(PATIENCE)
    assert [str(error) for error in errors] == ["no paper"]
    assert drawn == [1]


def test_of_requests_that_wait_only_the_last_is_computed():
    begun, gate, found = threading.Semaphore(0), threading.Semaphore(0), []
    background = Background(never)

    def first() -> str:
        begun.release()
        assert gate.acquire(timeout=PATIENCE)
        return "first"

    background.start(first, found.append)
    assert begun.acquire(timeout=PATIENCE)
    for name in ("second", "third"):
        background.start(lambda name=name: name, found.append)
    assert background.busy
    gate.release()
    assert background.wait(PATIENCE)
    assert found == ["first", "third"]
    assert not background.busy


@pytest.mark.slow
def test_a_program_may_end_in_the_middle_of_a_drawing():
    code = """
from matplotlib.figure import Figure
from kshot_viz.viz.style.canvas import to_png
from kshot_viz.widgets.base.background import Redraw

def draw():
    begun.set()
    figure = Figure()
    figure.add_subplot().plot(range(9))
    to_png(figure)
    redraw.ask()

import threading
begun = threading.Event()
redraw = Redraw(draw, print, every=0)
redraw.ask()
begun.wait()
"""
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("where", ["work", "done"])
def test_an_error_in_the_background_is_handed_on(where):
    errors: list[Exception] = []
    background = Background(errors.append)

    def fail(*_) -> None:
        raise ValueError(where)

    background.start(fail if where == "work" else lambda: 1, fail)
    assert background.wait(PATIENCE)
    assert [str(error) for error in errors] == [where]


def test_a_ticker_calls_until_it_is_stopped_and_not_after():
    calls, often = [], threading.Event()

    def act() -> None:
        calls.append(1)
        if len(calls) > 2:
            often.set()

    ticker = Ticker(act, every=0.001)
    ticker.stop()
    ticker.start()
    assert calls
    assert often.wait(PATIENCE)
    ticker.stop()
    assert ticker._thread is None
    before = len(calls)
    ticker.start()
    ticker.stop()
    assert len(calls) > before

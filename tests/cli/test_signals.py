"""A command that is asked to end: as after Ctrl-C, but for its exit status."""

from __future__ import annotations

import signal
import threading

import pytest
from command_line import kshot

from kshot_viz.cli.signals import interrupted_by_signals


@pytest.fixture
def usual_handlers():
    """As in a terminal: under ``nohup`` and in the background of a shell signals are ignored."""
    usual = {signal.SIGINT: signal.default_int_handler}
    usual |= dict.fromkeys((signal.SIGTERM, signal.SIGHUP), signal.SIG_DFL)
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("usual_handlers")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_the_exit_status_names_the_signal(monkeypatch, name, code, tmp_path):
    number = getattr(signal, name)
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)}

    def stopped(*_, **__):
        signal.raise_signal(number)
        raise AssertionError("not stopped")

    monkeypatch.setattr("kshot_viz.cli.compare.run_demo", stopped)
    ended = kshot("demo", "--out", tmp_path)
    assert ended.code == code
    assert "Finished rows are kept" in ended.complaint
    assert {one: signal.getsignal(one) for one in before} == before


@interrupted_by_signals()
def terminated(seen: list[object]) -> None:
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        seen.append(signal.getsignal(signal.SIGTERM))


def test_a_second_signal_is_not_held_up():
    seen: list[object] = []
    with pytest.raises(KeyboardInterrupt):
        terminated(seen)
    assert seen == [signal.SIG_DFL]


def test_what_the_caller_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupted_by_signals():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_ends_are_left_alone_in_any_thread():
    codes = []

    def run():
        with pytest.raises(SystemExit) as end, interrupted_by_signals():
            raise SystemExit(130)
        codes.append(end.value.code)

    run()
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert codes == [130, 130]

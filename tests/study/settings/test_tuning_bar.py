"""One bar over all runs of choosing settings: its end moves, and kept runs take no time."""

from __future__ import annotations

import pytest

from kshot_viz.study.settings import tuning_bar as module
from kshot_viz.study.settings.tuning_bar import TuningBar, tuning_bar


class Bar:
    """Stands for tqdm's."""

    n, total, said = 0, 0, ""

    def refresh(self):
        pass

    def update(self, runs):
        self.n += runs

    def set_postfix_str(self, text, refresh):
        self.said = text


@pytest.fixture
def bar(monkeypatch):
    now = iter(range(0, 1000, 10))
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(now))
    return TuningBar(Bar())


def test_the_end_moves_with_what_stops(bar):
    bar.expect(4, later=20)
    moved = bar.watching(None)
    moved(0, 4)
    moved(4, 4)
    assert (bar._bar.n, bar._bar.total) == (4, 24)
    bar.expect(2, later=8)
    bar.watching(None)(0, 2)
    assert (bar._bar.n, bar._bar.total) == (4, 14)


def test_what_was_kept_took_no_time(bar):
    bar.expect(6, later=0)
    moved = bar.watching(None)
    moved(4, 6)
    assert bar._bar.said == ""
    moved(5, 6)
    # One run took ten seconds.
    assert bar._bar.said == "about 0:10 left"


def test_others_may_watch_too(bar):
    seen = []
    bar.expect(2, later=0)
    moved = bar.watching(lambda done, total: seen.append((done, total)))
    moved(0, 2)
    moved(2, 2)
    assert seen == [(0, 2), (2, 2)]


@pytest.mark.parametrize("show", [True, False])
def test_it_is_shown_on_request(show, capsys):
    with tuning_bar("tune 1-shot", show=show) as found:
        found.expect(1, later=0)
        found.watching(None)(1, 1)
    assert ("tune 1-shot: 100%" in capsys.readouterr().err) is show

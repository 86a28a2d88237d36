"""AlignmentMonitor without a browser: it measures as finetune_dynamics does, and is stopped."""

from __future__ import annotations

import pandas as pd
import pytest
from left_behind import leaves
from networks import toy_backbone, toy_data
from traitlets import TraitError

import kshot_viz as kv
from kshot_viz.analysis import finetune_dynamics
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.viz import to_png

pytestmark = pytest.mark.slow

DATA, OTHER = toy_data(per_class=4), toy_data(per_class=6, seed=1)
CALL = {
    "images": OTHER,
    "methods": ["plain", "head_only"],
    "config": kv.FinetuneConfig(steps=2),
    "draws": 1,
    "layers": ["deep"],
}
PATIENCE = 120


@pytest.fixture
def monitor():
    made = kv.AlignmentMonitor(toy_backbone(), DATA, **CALL)
    yield made
    made.close()


def test_it_measures_what_the_function_measures(monitor):
    assert (monitor.state, monitor.measured) == ("new", 0)
    assert monitor.frame().empty
    first = monitor._picture.value
    monitor._start.click()
    assert monitor.wait(PATIENCE)
    assert (monitor.state, monitor.measured) == ("finished", 6)
    alone = finetune_dynamics(toy_backbone(), DATA, **CALL)
    pd.testing.assert_frame_equal(monitor.frame(), alone.frame())
    assert monitor._picture.value != first
    assert monitor._bar.value == 1
    assert "6 of 6 measurements; plain completed" in monitor._progress.value
    assert (monitor._start.disabled, monitor._halt.disabled) == (True, True)
    assert "finished" in repr(monitor)
    assert to_png(monitor.figure())


def test_a_stop_ends_after_a_step_and_it_goes_on_from_there(monitor):
    monitor.observe(lambda change: change["new"] == 2 and monitor.stop(), "measured")
    monitor.start()
    assert monitor.wait(PATIENCE)
    assert (monitor.state, monitor.measured) == ("stopped", 2)
    assert (monitor._start.description, monitor._halt.disabled) == ("Go on", True)
    monitor.start()
    assert monitor.wait(PATIENCE)
    assert (monitor.state, monitor.measured) == ("finished", 6)
    alone = finetune_dynamics(toy_backbone(), DATA, **CALL)
    pd.testing.assert_frame_equal(monitor.frame(), alone.frame())


def test_another_measure_is_drawn_and_explained(monitor):
    monitor.start()
    assert monitor.wait(PATIENCE)
    before = monitor._picture.value
    monitor._measures.value = "CKA to the start"
    assert monitor.wait(PATIENCE)
    assert monitor.measure == "CKA to the start"
    assert monitor._picture.value != before
    assert "before the first step" in monitor._about.value
    with pytest.raises((KShotKeyError, TraitError)):
        monitor.measure = "f-RWB"
    assert monitor.measure == "CKA to the start"


def test_wrong_arguments_are_refused_at_once():
    with pytest.raises(KShotValueError, match="`at`"):
        kv.AlignmentMonitor(toy_backbone(), DATA, **CALL, at=(9,))
    with pytest.raises(KShotKeyError, match="Did you mean 'seed'"):
        kv.AlignmentMonitor(toy_backbone(), DATA, **CALL, sead=9)


def test_a_run_that_diverges_is_told(monitor):
    wild = kv.Candidate(None, kv.FinetuneConfig(steps=4, lr=1e30, head_lr=1e30), name="wild")
    shown = kv.AlignmentMonitor(toy_backbone(), DATA, **CALL | {"methods": [wild], "at": (0, 4)})
    shown.start()
    assert shown.wait(PATIENCE)
    assert "wild diverged at step" in shown._progress.value
    assert (shown.state, shown._bar.value) == ("finished", 1)
    shown.close()


def broken():
    yield
    raise RuntimeError("a <b> of memory")


def test_what_goes_wrong_is_shown(monitor, monkeypatch):
    steps = broken()
    next(steps)
    monkeypatch.setattr(monitor, "_steps", steps)
    monitor.start()
    assert monitor.wait(PATIENCE)
    assert monitor.state == "failed"
    assert "RuntimeError: a &lt;b&gt; of memory" in monitor._trouble.value
    assert monitor._start.disabled
    monitor.start()
    assert monitor.state == "failed"


def test_it_leaves_its_picture_where_no_kernel_runs(monitor):
    monitor.start()
    assert monitor.wait(PATIENCE)
    leaves(monitor, monitor.figure())


def test_closing_ends_the_work(monitor):
    monitor.observe(lambda change: change["new"] == 2 and monitor.close(), "measured")
    monitor.start()
    assert monitor.wait(PATIENCE)
    assert (monitor.measured, monitor.state) == (2, "closed")
    monitor.start()
    assert monitor.state == "closed"


def test_a_start_after_a_stop_that_was_not_yet_heard_goes_on(monitor):
    monitor.start()
    monitor.stop()
    monitor.start()
    assert monitor.wait(PATIENCE)
    assert (monitor.state, monitor.measured) == ("finished", 6)

"""KShotComparison of a study: other tasks, regimes and rules, and the regret of all."""

from __future__ import annotations

import pandas as pd
import pytest
from hand_study import hand_study
from left_behind import leaves
from small_comparison import hand_made

from kshot_viz.errors import KShotError, KShotKeyError, KShotValueError
from kshot_viz.viz.comparison.comparison_view import ComparisonView
from kshot_viz.viz.comparison.study_part import StudyPart
from kshot_viz.viz.study.regret_heat import plot_regret
from kshot_viz.viz.style.canvas import to_png
from kshot_viz.viz.style.colours import method_styles
from kshot_viz.widgets.comparison.kshot_comparison import KShotComparison

pytestmark = pytest.mark.slow

PATIENCE = 60
STUDY = hand_study()


@pytest.fixture
def widget():
    made = KShotComparison(STUDY)
    yield made
    assert made.wait(PATIENCE)
    made.close()


def drawn(widget):
    assert widget.wait(PATIENCE)
    return widget


def visible(widget):
    by_choice = widget.controls.by_choice
    return {name for name, one in by_choice.items() if one.layout.display != "none"}


def ticked(widget):
    boxes = widget.controls.boxes.items()
    return {name for name, box in boxes if box.value and box.layout.display != "none"}


def test_it_opens_on_the_first_task_with_most_labels(widget):
    assert (widget.task, widget.regime, widget.rule) == ("a net", "many", "guarded")
    assert visible(widget) == {"task", "regime", "rule", "view", "measure", "paired"}
    alone = ComparisonView(STUDY.comparison("a net"))
    pd.testing.assert_frame_equal(widget.frame(), alone.frame())
    assert drawn(widget)._picture.value == to_png(alone.figure())
    assert [value for _, value in widget.controls.by_choice["regime"].options] == [
        "blind", "few", "many",
    ]  # fmt: skip


def test_a_comparison_has_no_control_and_no_view_of_a_study():
    widget = KShotComparison(hand_made())
    assert not {"task", "regime", "rule"} & set(widget.controls.by_choice)
    assert "regret" not in {name for _, name in widget.controls.by_choice["view"].options}
    for name, value in (("view", "regret"), ("task", "a net")):
        with pytest.raises(KShotError, match=r"must be one of|Only a study has task"):
            setattr(widget, name, value)
    drawn(widget).close()


def test_another_regime_shows_what_it_chose(widget):
    before = widget.frame()
    widget.controls.by_choice["regime"].value = "blind"
    alone = ComparisonView(STUDY.comparison("a net", regime="blind"))
    pd.testing.assert_frame_equal(widget.frame(), alone.frame())
    assert not before["value"].equals(widget.frame()["value"])
    assert "in regime &#x27;blind&#x27; by rule" in drawn(widget)._heading.value


def test_another_task_keeps_what_it_has_too(widget):
    widget.view, widget.shot, widget.paired = "episodes", 5, True
    widget.methods = ("head_only", "grouped")
    widget.reference, widget.method = "head_only", "grouped"
    widget.controls.by_choice["task"].value = "b net"
    assert (widget.view, widget.shot, widget.paired, widget.method) == (
        "episodes",
        5,
        True,
        "grouped",
    )
    # No head_only was compared there.
    assert (widget.methods, widget.reference) == (("grouped",), "plain")
    assert ticked(widget) == {"grouped"}
    controls = widget.controls.by_choice
    assert [value for _, value in controls["shot"].options] == [5, 10]
    assert [value for _, value in controls["reference"].options] == ["plain", "grouped"]
    assert (controls["shot"].value, controls["reference"].value) == (5, "plain")
    assert set(widget.frame()["method"]) == {"grouped"}
    widget.shot = 10
    widget.task = "a net"
    assert (widget.shot, controls["shot"].value, controls["task"].value) == (1, 1, "a net")
    assert drawn(widget)._status.kind == "done"
    assert widget._picture.value == to_png(widget.figure())


def test_all_methods_stay_all_methods(widget):
    widget.task = "b net"
    assert widget.methods == ("plain", "grouped")
    assert ticked(widget) == {"plain", "grouped"}
    widget.task = "a net"
    assert widget.methods == ("head_only", "plain", "grouped")
    assert ticked(widget) == set(widget.methods)


def test_regret_is_shown_with_its_rule_alone(widget):
    widget.view = "regret"
    assert visible(widget) == {"view", "rule"}
    assert ticked(widget) == set()
    widget.rule = "best"
    wanted = STUDY.regret().query("rule == 'best'").reset_index(drop=True)
    pd.testing.assert_frame_equal(widget.frame(), wanted)
    assert drawn(widget)._picture.value == to_png(plot_regret(STUDY, rule="best"))
    assert widget._table.value.count("<tr>") == 1 + len(wanted)
    for regime in ("blind", "own", "few", "many"):
        assert f"{regime}: " in widget._status.value
    # One of the methods cannot be used on these networks.
    assert "4 methods on 4 tasks" in widget._heading.value
    widget.view = "shots"
    assert visible(widget) >= {"task", "regime", "rule"}


def test_names_that_are_not_there_are_refused_and_the_state_stays(widget):
    for name in ("task", "regime", "rule"):
        with pytest.raises(KShotKeyError, match=f"`{name}` must be one of"):
            setattr(widget, name, "nothing")
    with pytest.raises(KShotValueError, match="anew in each episode"):
        widget.regime = "own"
    assert (widget.task, widget.regime, widget.rule) == ("a net", "many", "guarded")


@pytest.mark.parametrize("view", ["regret", "episodes"])
def test_files_say_what_they_are_of(widget, view, tmp_path):
    widget.view = view
    names = {
        "regret": "study_guarded_regret",
        "episodes": "study_a_net_many_guarded_episodes_1_shot",
    }
    assert widget.shown.file_name("csv") == f"{names[view]}.csv"
    table = pd.read_csv(widget.export(tmp_path / "a.csv"))
    assert len(table) == len(widget.frame())
    assert widget.export(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    page = widget.export(tmp_path / "a.html").read_text("utf-8")
    assert f"As shown: {widget.shown.label.lower()}" in page
    assert "settings chosen in regime" in page


def test_it_says_what_it_shows_and_leaves_its_figure(widget):
    assert repr(widget) == (
        "KShotComparison of plain, grouped, head_only in 'a net' (many, guarded), shown at 1 shot: "
        "shots"
    )
    widget.view = "regret"
    leaves(widget, widget.figure())


def test_boxes_have_the_colours_of_the_figures_in_every_task(widget):
    for task in ("b net", "a net"):
        widget.task = task
        known = method_styles(widget.shown.known)
        for name in widget.shown.known:
            box = widget.controls.boxes[name]
            assert box.layout.border_left == f"5px solid {known[name].colour}"


def test_a_study_without_a_setting_for_whole_tasks_is_refused():
    with pytest.raises(KShotValueError, match="No regime of this study chose settings for all"):
        KShotComparison(hand_study(regimes=["own"]))


def test_a_task_without_the_regime_is_shown_in_one_that_it_has():
    whole = hand_study(regimes=["blind", "few"])
    lacking = (whole.choices["regime"] == "few") & (whole.choices["data"] == "b")
    part = StudyPart(type(whole)(whole.comparisons, whole.choices[~lacking], whole.manifest))
    assert (part.regime, part.but(task="b net").regime) == ("few", "blind")

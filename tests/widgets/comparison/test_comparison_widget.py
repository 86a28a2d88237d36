"""KShotComparison without a browser: its state, its numbers, its files, its errors."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest
from left_behind import leaves
from small_comparison import ANSWERS, hand_data, hand_made

import kshot_viz as kv
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.viz.comparison.comparison_view import VIEWS, ComparisonView
from kshot_viz.viz.comparison.measures import measure_frame
from kshot_viz.viz.style.canvas import to_png
from kshot_viz.viz.style.colours import method_styles
from kshot_viz.widgets.comparison.kshot_comparison import Download, KShotComparison

PATIENCE = 60


def drawn(widget: KShotComparison) -> KShotComparison:
    assert widget.wait(PATIENCE)
    return widget


def shown(widget: KShotComparison) -> bytes:
    return drawn(widget)._picture.value


@pytest.fixture
def widget():
    made = KShotComparison(hand_made())
    yield made
    drawn(made).close()


def test_it_opens_on_accuracy_against_shots(widget):
    assert (widget.view, widget.way, widget.shot, widget.paired) == ("shots", 3, 1, False)
    assert widget.methods == ("head_only", "plain", "grouped")
    pd.testing.assert_frame_equal(widget.frame(), measure_frame(hand_made()))


@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_its_own_figure_and_numbers(widget, view):
    widget.view = view
    assert shown(widget) == to_png(widget.figure())
    assert to_png(ComparisonView(hand_made(), view=view).figure()) == shown(widget)
    pd.testing.assert_frame_equal(widget.frame(), ComparisonView(hand_made(), view=view).frame())


def test_the_controls_set_the_state_and_the_state_the_controls(widget):
    widget.controls.by_choice["view"].value = "episodes"
    widget.controls.by_choice["shot"].value = 5
    widget.controls.boxes["head_only"].value = False
    assert (widget.view, widget.shot, widget.methods) == ("episodes", 5, ("plain", "grouped"))
    widget.methods = ("grouped",)
    assert [name for name, box in widget.controls.boxes.items() if box.value] == ["grouped"]
    widget.paired = True
    assert widget.controls.by_choice["paired"].value
    assert set(widget.frame()["method"]) == {"grouped"}
    drawn(widget)


def test_controls_without_a_meaning_are_out_of_the_way(widget):
    def hidden(name):
        return widget.controls.by_choice[name].layout.display == "none"

    assert [hidden(name) for name in ("shot", "measure", "reference", "method")] == [
        *(True, False, True, True)
    ]
    widget.paired = True
    assert not hidden("reference")
    widget.view = "confusion"
    assert [hidden(name) for name in ("shot", "measure", "paired", "method")] == [
        *(False, True, True, False)
    ]
    assert hidden("way")
    drawn(widget)


def test_what_is_not_there_is_refused_and_the_state_stays(widget):
    for name, value in (("view", "magic"), ("measure", "speed"), ("method", "magic")):
        with pytest.raises(KShotKeyError, match="must be one of"):
            setattr(widget, name, value)
    with pytest.raises(KShotValueError, match=r"`shot` must be one of \[1, 5\]; not 3"):
        widget.shot = 3
    assert (widget.view, widget.measure, widget.shot) == ("shots", "accuracy", 1)


def test_another_number_of_classes_brings_its_own_shots():
    one = hand_made()
    few = {name: getattr(one, name).query("shot == 1") for name in ("frame", "settings")}
    both = {
        name: pd.concat([getattr(one, name), part.assign(way=2)], ignore_index=True)
        for name, part in few.items()
    }
    widget = KShotComparison(replace(one, **both))
    widget.view = "episodes"
    assert (widget.way, widget.shot) == (2, 1)
    assert drawn(widget).controls.by_choice["way"].layout.display == ""
    widget.way = 3
    widget.shot = 5
    assert set(drawn(widget).frame()["shot"]) == {5}
    widget.controls.by_choice["way"].value = 2
    assert (widget.way, widget.shot, drawn(widget).shown.shot) == (2, 1, 1)
    assert widget._status.kind == "done"
    assert [value for _, value in widget.controls.by_choice["shot"].options] == [1]


def test_numbers_of_classes_may_have_no_shots_in_common():
    one, two = hand_made(shots=(1, 5)), hand_made(shots=(2, 10))
    both = {
        name: pd.concat([getattr(one, name), getattr(two, name).assign(way=2)], ignore_index=True)
        for name in ("frame", "settings")
    }
    widget = KShotComparison(replace(one, **both))
    widget.view = "episodes"
    assert (widget.way, widget.shot) == (2, 2)
    for way, shots in ((3, [1, 5]), (2, [2, 10])):
        widget.controls.by_choice["way"].value = way
        offered = widget.controls.by_choice["shot"]
        assert (widget.way, widget.shot, offered.value) == (way, shots[0], shots[0])
        assert [value for _, value in offered.options] == shots
        assert drawn(widget).shown.task == {"way": way, "shot": shots[0]}
        assert shown(widget) == to_png(widget.figure())


def test_a_number_of_shots_stays_where_another_number_of_classes_has_it_too():
    one = hand_made(shots=(1, 5))
    two = hand_made(shots=(2, 5))
    both = {
        name: pd.concat([getattr(one, name), getattr(two, name).assign(way=2)], ignore_index=True)
        for name in ("frame", "settings")
    }
    widget = KShotComparison(replace(one, **both))
    widget.shot = 5
    widget.way = 3
    assert (widget.shot, widget.controls.by_choice["shot"].value) == (5, 5)
    drawn(widget)


def test_boxes_have_the_colours_of_the_figures():
    odd = {"mine": ANSWERS["plain"], "yours": ANSWERS["grouped"], "plain": ANSWERS["plain"]}
    widget = KShotComparison(hand_made(answers=odd))
    known = method_styles(odd)
    for name, box in widget.controls.boxes.items():
        assert box.layout.border_left == f"5px solid {known[name].colour}"


def test_the_last_method_cannot_be_taken_away_without_a_word(widget):
    for box in widget.controls.boxes.values():
        box.value = False
    assert len(widget.methods) == 1
    assert widget.controls.ticked() == widget.methods
    assert "at least one method" in widget._status.value


@pytest.mark.slow
def test_images_that_are_missing_are_asked_for_and_the_old_picture_goes():
    widget = KShotComparison(hand_made(loaded=True))
    widget.view = "changed"
    assert "give its data set as `data`" in drawn(widget)._status.value
    assert widget._picture.layout.display == "none"
    assert widget._table.value.count("<tr>") == 1 + len(widget.frame()) == 4
    widget.view = "confusion"
    assert drawn(widget)._picture.layout.display == ""
    assert widget._status.kind == "done"
    widget.view = "changed"
    assert "application/vnd.jupyter.widget-view+json" in bundle_of(drawn(widget))
    with_images = KShotComparison(hand_made(loaded=True), data=hand_data())
    with_images.view = "changed"
    assert drawn(with_images)._status.kind == "done"


def test_a_comparison_that_tuned_nothing_says_so_at_the_curve():
    widget = KShotComparison(hand_made(tuned=False))
    widget.view = "step_size"
    assert "tuned nothing" in drawn(widget)._status.value


@pytest.mark.slow
@pytest.mark.parametrize(
    "predictions",
    [
        {name: each[:1] for name, each in ANSWERS.items()},
        {**ANSWERS, "grouped": ((), ANSWERS["grouped"][1], ())},
        {"plain": ANSWERS["plain"]},
    ],
    ids=["one episode", "failed rows", "one method"],
)
def test_poor_tables_are_shown_as_far_as_they_go(predictions):
    widget = KShotComparison(hand_made(answers=predictions))
    for view in VIEWS:
        widget.view = view
        drawn(widget)
        assert widget._status.kind in ("done", "error")
        assert (widget._status.kind == "error") == (view == "changed" and len(predictions) == 1)


@pytest.mark.slow
def test_names_of_classes_and_methods_are_escaped():
    data = hand_data()
    odd = "<script>alert(1)</script>"
    named = ImageDataset.from_arrays(data.images, data.targets, classes=[odd, "b", "c"], name=odd)
    predictions = {"plain": ANSWERS["plain"], odd: ANSWERS["grouped"]}
    widget = KShotComparison(hand_made(data=named, answers=predictions))
    for view in VIEWS:
        widget.view = view
        drawn(widget)
        pages = [one.value for one in every(widget) if hasattr(one, "placeholder")]
        assert not any("<script" in str(page) for page in pages)


def bundle_of(widget):
    bundle = widget._repr_mimebundle_()
    return bundle[0] if isinstance(bundle, tuple) else bundle


def every(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every(child)


@pytest.mark.parametrize("table", [None, "runs/demo", 3])
def test_anything_but_a_comparison_is_refused(table):
    with pytest.raises(KShotValueError, match="`table` must be a Comparison"):
        KShotComparison(table)


def test_it_says_what_it_shows(widget):
    assert repr(widget) == "KShotComparison of plain, grouped, head_only, shown at 1 shot: shots"


def test_an_empty_comparison_is_refused():
    whole = hand_made()
    empty = kv.Comparison(whole.frame[:0], whole.settings[:0], whole.manifest, {}, {})
    with pytest.raises(KShotValueError, match="no rows to draw"):
        KShotComparison(empty)


@pytest.mark.slow
def test_files_hold_what_is_shown(widget, tmp_path):
    widget.view = "confusion"
    table = pd.read_csv(widget.export(tmp_path / "numbers.csv"))
    pd.testing.assert_frame_equal(table, widget.frame(), check_dtype=False)
    assert widget.export(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    picture = widget.export(tmp_path / "a.svg").read_text("utf-8")
    assert "<svg" in picture
    page = widget.export(tmp_path / "a.html").read_text("utf-8")
    assert "As shown: confusion" in page
    assert not re.search(r"(src|href)=.https?:", page)
    # Four figures, and the one that the page opens with, for light and dark.
    assert page.count("<figcaption>") == 4
    assert page.count("data:image/png;base64,") == 6
    with pytest.raises(KShotKeyError, match="`kind` must be one of 'png', 'svg'"):
        widget.export(tmp_path / "a.bmp")


@pytest.mark.slow
def test_a_download_sends_the_file_to_the_browser_that_requested_it(widget):
    sent = []
    button = next(one for one in every(widget) if isinstance(one, Download))
    button.send = lambda content, buffers=(): sent.append((content, list(buffers)))
    button._receive(button, {"kind": "ask"}, [])
    assert button.wait(PATIENCE)
    [(content, [png])] = sent
    assert content == {"kind": "file", "name": "comparison_shots.png", "mime": "image/png"}
    assert png == widget.shown.content("png")


def test_a_file_that_cannot_be_made_is_no_silence():
    widget = KShotComparison(hand_made(loaded=True))
    widget.view = "changed"
    drawn(widget)
    sent = []
    button = next(one for one in every(widget) if isinstance(one, Download))
    button.send = lambda content, buffers=(): sent.append(content)
    widget._status.idle()
    button._receive(button, {"kind": "ask"}, [])
    assert button.wait(PATIENCE)
    assert sent == [{"kind": "failed"}]
    assert "give its data set" in widget._status.value


def test_it_leaves_its_figure_where_no_kernel_runs(widget):
    leaves(widget, widget.figure())


def test_the_table_shows_the_numbers_of_the_frame(widget):
    widget.view = "episodes"
    drawn(widget)
    html = widget._table.value
    assert html.count("<tr>") == 1 + len(widget.frame())
    assert "<td" in html
    assert "groups" in html

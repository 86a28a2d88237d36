"""The three dashboards under one roof."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial

import pytest
from command_line import make_pictures, make_weights
from small_comparison import hand_made

import kshot_viz as kv
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.search.group_search import GroupSearch
from kshot_viz.search.search_view import SearchView
from kshot_viz.widgets.dashboard import whole_dashboard
from kshot_viz.widgets.dashboard.whole_dashboard import DashboardTask, WholeDashboard
from kshot_viz.widgets.explorer.group_explorer import GroupExplorer

pytestmark = pytest.mark.slow

PATIENCE = 300


@pytest.fixture
def task(tmp_path):
    data = kv.load_dataset(make_pictures(tmp_path / "zoo"))
    weights = make_weights(tmp_path / "net.safetensors")
    backbone = kv.load_backbone("glyphnet", weights=weights, preprocess="glyphs", size=16)
    episodes = kv.sample_episodes(data, way=3, shot=1, query=5, n=2, seed=0)
    return DashboardTask(backbone, data, episodes, None, 0.2, tmp_path / "out", 0)


def closed(bench: WholeDashboard) -> None:
    bench.close()


def visible(bench: WholeDashboard) -> list[str]:
    return [name for name, one in bench._views().items() if one.layout.display != "none"]


def test_one_dashboard_is_shown_at_a_time(task):
    bench = WholeDashboard(task)
    assert visible(bench) == ["groups"]
    assert bench.frame().equals(bench.explorer.frame())
    bench._choice.value = "search"
    assert visible(bench) == ["search"]
    assert len(bench.frame()) == 0
    bench.view = "comparison"
    assert visible(bench) == ["comparison"]
    for method in (bench.frame, bench.figure):
        with pytest.raises(KShotValueError, match="not compared yet"):
            method()
    with pytest.raises(KShotKeyError, match="`view` must be one of 'groups'"):
        bench.view = "magic"
    closed(bench)


def test_a_search_that_runs_for_another_page_is_followed(task):
    first = task.monitor()
    assert isinstance(first._followed, GroupSearch)
    first._followed.pause()
    first.start()
    first._followed.events.since(1, timeout=PATIENCE)
    second = task.monitor()
    assert isinstance(second._followed, SearchView)
    second.stop()
    assert first._followed.wait(PATIENCE)
    third = task.monitor()
    assert isinstance(third._followed, GroupSearch)
    for one in (first, second, third):
        one.close()


def test_a_comparison_of_another_task_is_not_shown(task):
    hand_made().save(task.kept)
    assert task.known() is not None
    others = kv.sample_episodes(task.data, way=3, shot=2, query=4, n=2, seed=0)
    source = kv.load_dataset("glyphs", per_class=1)
    for change in (
        {"episodes": others},
        {"episodes": task.episodes[:1]},
        {"n_groups": 0.1},
        {"seed": 1},
        {"source": source},
    ):
        assert replace(task, **change).known() is None, change
    assert replace(task).known() is not None


def test_a_comparison_that_ends_reaches_the_explorer_and_can_be_made_again(task, monkeypatch):
    used, shown_texts = [], []
    first, second = hand_made(), hand_made()
    results = iter([first, second])
    monkeypatch.setattr(DashboardTask, "compare", lambda self, watch: next(results))
    monkeypatch.setattr(GroupExplorer, "use", lambda _, table: used.append(table), raising=False)
    bench = WholeDashboard(task)
    bench._status.observe(lambda change: shown_texts.append(change["new"]), "value")
    for _ in range(2):
        assert not bench._button.disabled
        bench._button.click()
        assert bench._background.wait(PATIENCE)
    assert used == [first, second]
    assert bench.comparison.shown.comparison is second
    assert bench._button.description == "Compare again"
    assert bench._comparison_box.children == (bench._status, bench._bar, bench.comparison)
    assert "0 parts finished and kept" in shown_texts[0]
    closed(bench)


def test_the_search_is_made_when_it_is_looked_at(task, monkeypatch):
    made = []
    known = DashboardTask.monitor
    monkeypatch.setattr(DashboardTask, "monitor", lambda self: made.append(self) or known(self))
    bench = WholeDashboard(task)
    assert made == []
    bench.view = "search"
    bench.view = "groups"
    bench.view = "search"
    assert made == [task]
    assert bench._search_box.children == (bench.monitor,)
    closed(bench)


def test_progress_is_what_stands_in_the_file(task):
    task.kept.mkdir(parents=True)
    (task.kept / "rows.jsonl").write_text("{}\n{}\n{")
    assert task.progress.startswith("2 parts")


def test_a_dashboard_that_is_closed_closes_its_parts(task):
    bench = WholeDashboard(task)
    assert bench.explorer.wait(PATIENCE)
    bench.view = "search"
    bench.close()
    assert bench.explorer.comm is bench.monitor.comm is None
    bench.monitor._listener.join(PATIENCE)
    assert not bench.monitor._listener.is_alive()


def test_a_comparison_ends_with_its_dashboard_and_keeps_its_rows(task, monkeypatch):
    seen, ends = [], []
    first, looked = threading.Event(), threading.Event()

    def compared(self, watch):
        def pausing(done, total):
            seen.append(done)
            if done:
                first.set()
                assert looked.wait(PATIENCE)
            watch(done, total)

        try:
            return whole(self, pausing)
        except BaseException as error:
            ends.append(type(error).__name__)
            raise

    whole, quick = DashboardTask.compare, partial(kv.compare_methods, methods=["head_only"])
    monkeypatch.setattr(whole_dashboard, "compare_methods", quick)
    monkeypatch.setattr(DashboardTask, "compare", compared)
    bench = WholeDashboard(task)
    bench._button.click()
    assert first.wait(PATIENCE)
    closed(bench)
    looked.set()
    assert bench._background.wait(PATIENCE)
    assert ends == ["Stopped"]
    # Nothing ran after the first runs that ended, and these are kept.
    assert [done > 0 for done in seen] == [False, True]
    assert task.progress.startswith("1 part")
    assert task.known() is None
    assert bench.comparison is None
    assert "error" not in bench._status.kind


def test_a_network_that_sees_inverted_images_is_another_task(task):
    inverted = kv.Backbone(
        task.backbone.module, head="head", preprocess=replace(task.backbone.preprocess, invert=True)
    )
    other = replace(task, backbone=inverted)
    assert other.kept != task.kept
    names = []
    for one in (task, other):
        shown = one.monitor()
        names.append(shown._followed.storage)
        shown.close()
    assert names[0] != names[1]


def test_a_comparison_is_made_in_the_background_and_found_again(task):
    bench = WholeDashboard(task)
    bench._button.click()
    assert bench._background.wait(PATIENCE)
    bench.view = "comparison"
    assert bench._comparison_box.children[-1] is bench.comparison
    assert len(bench.frame()) == 6
    again = WholeDashboard(task)
    assert again.comparison.frame().equals(bench.comparison.frame())
    closed(bench)
    closed(again)


def test_an_error_of_the_comparison_is_shown_and_it_can_be_tried_again(task, monkeypatch):
    def broken(self, watch):
        raise kv.KShotError("no <b>room</b> on the disk")

    monkeypatch.setattr(DashboardTask, "compare", broken)
    bench = WholeDashboard(task)
    bench._button.click()
    assert bench._background.wait(PATIENCE)
    assert "no &lt;b&gt;room" in bench._status.value
    assert not bench._button.disabled
    closed(bench)


def test_groups_are_formed_apart_from_queries_and_scored_as_the_comparison_does(task):
    source = kv.load_dataset("glyphs", per_class=1)
    for one in (task, replace(task, source=source)):
        table = kv.compare_methods(
            one.backbone,
            one.data,
            one.episodes,
            methods=["grouped"],
            groups_from="support" if one.source is None else "source",
            n_groups=one.n_groups,
            source=one.source,
            config=kv.FinetuneConfig(lr=0.1, head_lr=0.3, steps=4),
            tune=None,
        )
        explorer = one.explorer(table)
        assert explorer.wait(PATIENCE)
        summary = table.summary().set_index("method")
        assert explorer.scores.frame()["accuracy"].tolist() == [summary["accuracy"]["grouped"]]
        assert "too good" not in explorer.scores.note
        explorer.close()


def test_source_images_that_are_queries_form_no_groups(task):
    shared = replace(task, source=task.data)
    queries = {task.data.digests[i] for one in task.episodes for i in one.query}
    assert not queries & set(shared.forming.digests)
    assert len(shared.forming) == len(task.data) - len(queries)

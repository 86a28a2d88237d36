"""Honest comparison: own best settings, chosen apart from the test, on the same episodes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from kshot_viz.data.episodes import sample_episodes
from kshot_viz.errors import KShotError, KShotFileError, KShotKeyError, KShotValueError
from kshot_viz.evaluate import executors
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import FIRST
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.nearest_mean import feature_power
from kshot_viz.study.compare import compare_methods
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.rivals import rivals_of
from kshot_viz.study.settings.grid import TuningGrid

TASK = ["way", "shot", "method"]
GRID = TuningGrid(lrs=(0.01,), head_lrs=(0.3,), head_only_lrs=(0.1, 1.0), steps=(2, 8), extend=0)
SETTING = ["lr", "head_lr", "steps"]


def same(first, second):
    return first.drop(columns="seconds").equals(second.drop(columns="seconds"))


def chosen_test_rows(comparison):
    frame = comparison.frame
    keep = [*TASK, "episode", *SETTING, "accuracy", "status", "predicted"]
    rows = frame[(frame.pool == "test") & frame.chosen][keep]
    return rows.sort_values([*TASK, "episode"]).reset_index(drop=True)


# ---- what is run -------------------------------------------------------------------------------


def test_every_method_meets_the_same_episodes(comparison, episodes):
    frame = comparison.frame
    assert list(dict.fromkeys(frame.method)) == list(FIRST)
    for (_, shot, pool), rows in frame.groupby(["way", "shot", "pool"]):
        expected = {one.name for one in episodes if one.shot == shot}
        by_method = rows.groupby("method").episode.agg(set)
        assert all(met == by_method.iloc[0] for met in by_method)
        assert by_method.iloc[0] == (expected if pool == "test" else {"val/0", "val/1"})


def test_validation_and_test_images_are_apart(comparison):
    seen = {"val": set(), "test": set()}
    for one in comparison.episodes.values():
        seen[one.pool] |= set(one.support) | set(one.query)
    assert seen["val"]
    assert seen["test"]
    assert not seen["val"] & seen["test"]


def test_the_whole_grid_runs_on_validation_episodes_only(comparison):
    frame = comparison.frame
    val, test = frame[frame.pool == "val"], frame[frame.pool == "test"]
    counts = val.groupby(TASK).apply(lambda rows: len(rows[SETTING].drop_duplicates()))
    assert set(counts.drop("head_only", level="method")) == {2 * 2 * 2}
    assert set(counts.xs("head_only", level="method")) == {2 * 2}
    assert test.chosen.all()
    assert len(test[[*TASK, *SETTING]].drop_duplicates()) == 2 * len(FIRST)


# ---- what is chosen ----------------------------------------------------------------------------


def test_the_best_rule_takes_the_best_mean_on_validation_episodes(compare, episodes):
    found = compare(methods=["plain", "head_only"], choose="best")
    frame, settings = found.frame, found.settings
    means = frame[frame.pool == "val"].groupby([*TASK, *SETTING]).accuracy.mean().round(12)
    assert len(settings) == 2 * 2
    for row in settings.itertuples():
        own = means.loc[row.way, row.shot, row.method]
        best = sorted(setting for setting, mean in own.items() if mean == own.max())
        assert (row.lr, row.head_lr, row.steps) == best[0]
        assert row.val_accuracy == pytest.approx(own.max())
        assert row.n_val == 2


def test_both_rules_are_told_and_the_guarded_one_is_the_default(comparison):
    both = comparison.choices()
    assert len(both) == 2 * len(comparison.settings)
    guarded = both[both.rule == "guarded"].reset_index(drop=True)
    pd.testing.assert_frame_equal(guarded, comparison.settings.drop(columns="edge"))
    best = both[both.rule == "best"].reset_index(drop=True)
    assert (best.val_accuracy >= guarded.val_accuracy).all()
    assert comparison.manifest["choose"] == "guarded"


@pytest.mark.slow
def test_the_grid_grows_and_stopped_settings_are_in_the_rows(compare, episodes):
    grid = TuningGrid(
        lrs=(1e-5, 1e-4), head_lrs=(1e-4, 1e-3), head_only_lrs=(1e-4, 1e-3), steps=(2, 8)
    )
    found = compare(methods=["plain"], episodes=episodes[:3], grid=grid, n_val=4, race=True)
    val = found.frame[found.frame.pool == "val"]
    assert val.setting.nunique() > 4
    assert set(val.candidate) <= set(found.candidates)
    counts = val.groupby(["setting", "steps"]).size()
    assert set(counts) <= {1, 2, 4}
    whole = val.groupby("setting").stopped.first().rename("gone")
    assert (counts.reset_index().merge(whole, on="setting").query("gone")[0] < 4).all()
    row = int(val.index[-1])
    assert found.replay(row).identical


def test_chosen_marks_exactly_those_rows(comparison):
    keyed = comparison.frame.merge(
        comparison.settings[[*TASK, *SETTING]], on=[*TASK, *SETTING], how="left", indicator=True
    )
    assert ((keyed["_merge"] == "both") == keyed["chosen"]).all()


def test_the_step_size_is_the_heads_where_nothing_else_moves(comparison):
    frame = comparison.frame
    head = frame.method == "head_only"
    assert (frame.step_size[head] == frame.head_lr[head]).all()
    assert (frame.step_size[~head] == frame.lr[~head]).all()


def test_each_shot_is_tuned_apart(compare, comparison, episodes):
    for shot in (1, 3):
        part = [one for one in episodes if one.shot == shot]
        alone = compare(episodes=part, methods=["plain", "head_only"])
        together = comparison.settings.set_index(TASK)
        for row in alone.settings.itertuples():
            there = together.loc[(row.way, row.shot, row.method), [*SETTING, "val_accuracy"]]
            assert there.tolist() == [row.lr, row.head_lr, row.steps, row.val_accuracy]


def test_full_runs_the_grid_on_test_episodes_and_chooses_the_same(compare, short, episodes):
    whole = compare(methods=["plain", "grouped"], episodes=episodes[:3], full=True)
    test = whole.frame[whole.frame.pool == "test"]
    assert len(test) == 2 * 8 * 3
    assert same(whole.settings.assign(seconds=0), short.settings.assign(seconds=0))
    pd.testing.assert_frame_equal(chosen_test_rows(whole), chosen_test_rows(short))
    pd.testing.assert_frame_equal(whole.summary(), short.summary())


# ---- labels and tuning elsewhere ---------------------------------------------------------------


def test_labels_used_are_distinct_validation_images(comparison):
    drawn = [one for one in comparison.episodes.values() if one.pool == "val"]
    images = {i for one in drawn for i in (*one.support, *one.query)}
    assert comparison.manifest["labels_used_for_tuning"] == len(images)


@pytest.mark.slow
def test_tuning_on_a_source_uses_no_target_label(compare, data, episodes, source):
    source = replace(source, name="elsewhere")
    found = compare(methods=["plain", "grouped"], tune="source", source=source, n_val=2)
    assert set(found.settings.data) == {found.data.name}
    assert found.manifest["labels_used_for_tuning"] == 0
    val = [one for one in found.episodes.values() if one.pool == "val"]
    assert {one.fingerprint for one in val} == {source.fingerprint}
    assert set(found.frame[found.frame.pool == "test"].episode) == {one.name for one in episodes}


@pytest.mark.slow
def test_groups_from_the_source_know_no_query_of_its_tuning_episodes(compare, source):
    found = compare(
        methods=["plain", "grouped", "shuffled"],
        tune="source",
        source=source,
        groups_from="source",
    )
    assert set(found.settings.method) == {"plain", "grouped", "shuffled"}
    assert found.manifest["labels_used_for_tuning"] == 0


def test_without_tuning_each_method_keeps_its_setting(compare, episodes):
    config = FinetuneConfig(lr=0.07, head_lr=0.4, steps=3)
    found = compare(methods=["plain", "head_only"], episodes=episodes[:3], tune=None, config=config)
    assert (found.frame.pool == "test").all()
    assert found.frame.chosen.all()
    assert set(found.frame.lr) == {0.07}
    assert set(found.frame.steps) == {3}
    assert found.settings.step_size.tolist() == [0.07, 0.4]
    assert found.settings.n_val.tolist() == [0, 0]
    assert found.manifest["labels_used_for_tuning"] == 0
    assert len(found.curve()) == 0


def test_full_without_tuning_holds_the_given_setting_too(compare, episodes):
    config = FinetuneConfig(lr=0.07, head_lr=0.4, steps=3)
    found = compare(methods=["plain"], episodes=episodes[:3], tune=None, config=config, full=True)
    assert len(found.frame) == 3 * (8 + 1)
    assert found.summary().step_size.tolist() == [0.07]
    assert found.summary().n.tolist() == [3]


@pytest.mark.parametrize("steps", [2, 3, 30])
def test_full_without_tuning_runs_the_steps_that_were_given(compare, episodes, steps):
    config = FinetuneConfig(lr=0.01, head_lr=0.3, steps=steps)
    found = compare(methods=["plain"], episodes=episodes[:3], tune=None, config=config, full=True)
    chosen = found.frame[found.frame.chosen]
    assert chosen.steps.tolist() == [steps] * 3
    assert found.summary().n.tolist() == [3]


def test_data_that_was_renamed_since_its_episodes_were_drawn_is_compared(
    backbone, data, episodes, tmp_path
):
    options = {"methods": ["head_only"], "grid": GRID, "n_val": 2, "out": tmp_path}
    found = compare_methods(backbone, replace(data, name="moved"), episodes[:3], **options)
    assert set(found.frame.data) == {data.name}
    # Rows of the same network serve it under another name too.
    other = Backbone(backbone.module, head="head", preprocess=backbone.preprocess, name="other")
    again = compare_methods(other, data, episodes[:3], **options)
    assert set(again.frame.backbone) == {"other"}
    known, served = (one.frame[one.frame.pool == "test"] for one in (found, again))
    assert served.seconds.tolist() == known.seconds.tolist()


def test_a_ready_setting_that_the_grid_grows_onto_runs_once(compare, backbone, episodes):
    grid = TuningGrid(lrs=(1e-5, 1e-4), head_lrs=(1e-4,), head_only_lrs=(1e-4,), steps=(8,))
    mine = Candidate(
        Grouping.one_group(backbone), FinetuneConfig(lr=1e-3, head_lr=1e-4), name="mine"
    )
    found = compare(methods=["plain", mine], episodes=episodes[:3], grid=grid, n_val=2, race=False)
    val = found.frame[found.frame.pool == "val"]
    counts = val.groupby(["method", "setting", "steps"]).size()
    assert set(counts) == {2}
    assert set(found.settings.n_val) == {2}


def test_given_groups_are_formed_from_nothing(compare, backbone, episodes):
    groups = Grouping.contiguous(backbone, n_groups=2)
    searched, null = Candidate(groups, name="searched"), Candidate(groups, method="shuffled")
    found = compare(methods=["plain", searched, null], episodes=episodes[:3], tune=None)
    assert found.manifest["groups_from"] == ""
    assert "Groups were formed" not in found.note


# ---- who takes part ----------------------------------------------------------------------------


def test_a_ready_grouping_is_tuned_like_any_method(compare, backbone, episodes):
    mine = Candidate(Grouping.one_group(backbone), FinetuneConfig(momentum=0.0), name="mine")
    found = compare(methods=["plain", mine], episodes=episodes[:3])
    rows = found.frame[found.frame.method == "mine"]
    # Its own step sizes beside those of the grid, at two numbers of steps.
    assert len(rows[rows.pool == "val"]) == (8 + 2) * 2
    assert {found.candidates[key].config.momentum for key in rows.candidate} == {0.0}
    assert found.settings.method.tolist() == ["plain", "mine"]
    assert "mine" in found.summary().method.tolist()


def test_a_grouping_of_another_network_is_refused(compare):
    other = Candidate(Grouping({"conv": [0, 1]}), name="other")
    with pytest.raises(KShotValueError, match="another network"):
        compare(methods=["plain", other])


def test_null_groupings_keep_the_sizes(backbone, comparison, episodes, data):
    rules = {
        one.name: one.grouping.to_dict()
        for one in comparison.candidates.values()
        if isinstance(one.grouping, GroupingRule)
    }
    assert rules["shuffled"] == rules["grouped"] | {"shuffled": True}
    support, _ = episodes[0].split(data)
    whole, mixed = (
        GroupingRule.from_dict(rules[name]).in_episode(backbone, support, name="test/0")
        for name in ("grouped", "shuffled")
    )
    for layer in whole:
        assert sorted(whole.sizes(layer)) == sorted(mixed.sizes(layer))


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ([], "a list of one or more"),
        ("plain", "a list of one or more names, methods or candidates; not 'plain'"),
        (["plain", "plain"], "twice: 'plain'"),
        (["plain", Candidate()], "twice: 'plain'.*`name=`"),
    ],
)
def test_contenders_are_a_list_of_distinct_names(methods, message):
    with pytest.raises(KShotValueError, match=message):
        rivals_of(methods, GroupingRule(), FinetuneConfig())


def test_an_unknown_method_is_answered_with_the_nearest():
    with pytest.raises(KShotKeyError, match="Did you mean 'grouped'"):
        rivals_of(["groupd"], GroupingRule(), FinetuneConfig())


# ---- the same table wherever it is made --------------------------------------------------------


def test_the_same_call_gives_the_same_table(compare, short, episodes):
    again = compare(methods=["plain", "grouped"], episodes=episodes[:3])
    assert same(again.frame, short.frame)
    pd.testing.assert_frame_equal(again.summary(), short.summary())


@pytest.mark.slow
def test_processes_give_the_same_table(compare, short, episodes):
    there = compare(
        methods=["plain", "grouped"], episodes=episodes[:3], executor="processes", workers=2
    )
    assert same(there.frame, short.frame)
    assert there.manifest == short.manifest


def test_another_seed_is_another_clustering_of_the_same_episodes(compare, short, episodes):
    other = compare(methods=["plain", "grouped"], episodes=episodes[:3], seed=3)
    plain = [one.frame[one.frame.method == "plain"] for one in (short, other)]
    assert plain[0].accuracy.equals(plain[1].accuracy)
    assert set(other.frame.seed) == {3}


@pytest.mark.slow
def test_an_interrupted_comparison_goes_on(tmp_path, compare, short, episodes, monkeypatch):
    real, calls = executors.run_job, []

    def stops_after(limit):
        def run(task):
            calls.append(task.key)
            if len(calls) == limit:
                raise KeyboardInterrupt
            return real(task)

        return run

    request = {"methods": ["plain", "grouped"], "episodes": episodes[:3], "out": tmp_path}
    # The first stop is among the tuning episodes, the second among the test episodes.
    for limit in (2, 7):
        calls.clear()
        monkeypatch.setattr(executors, "run_job", stops_after(limit))
        with pytest.raises(KeyboardInterrupt):
            compare(**request)
    finished = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert len({json.loads(line)["job"] for line in finished}) == 1 + 6
    calls.clear()
    monkeypatch.setattr(executors, "run_job", stops_after(None))
    assert same(compare(**request).frame, short.frame)
    jobs = short.frame.job.nunique()
    assert len(calls) == jobs - 7
    assert compare(**request).frame.equals(compare(**request).frame)
    assert len(calls) == jobs - 7


@pytest.mark.slow
def test_more_methods_reuse_what_is_there(tmp_path, compare, episodes, monkeypatch):
    compare(methods=["plain", "grouped"], episodes=episodes[:3], out=tmp_path)
    real, names = executors.run_job, []

    def run(task):
        names.extend(entry.candidate.name for entry in task.entries)
        return real(task)

    monkeypatch.setattr(executors, "run_job", run)
    compare(methods=["shuffled", "plain", "grouped"], episodes=episodes[:3], out=tmp_path)
    assert set(names) == {"shuffled"}


@pytest.mark.slow
def test_a_saved_comparison_is_gone_on_from_without_its_store(
    tmp_path, compare, episodes, monkeypatch
):
    request = {"methods": ["plain", "grouped"], "episodes": episodes[:3]}
    first, folder = compare(**request), tmp_path / "cloned"
    first.save(folder)

    def never(job):
        raise AssertionError("a job ran again")

    monkeypatch.setattr(executors, "run_job", never)
    assert compare(**request, out=folder).frame.equals(first.frame)


@pytest.mark.slow
def test_rows_that_are_not_what_was_saved_are_not_gone_on_from(tmp_path, compare, episodes):
    request = {"methods": ["plain"], "episodes": episodes[:1]}
    frame = compare(**request, out=tmp_path).frame
    frame.assign(accuracy=1.0).to_parquet(tmp_path / "results.parquet", index=False)
    assert compare(**request, out=tmp_path).frame.equals(frame)
    frame.assign(accuracy=1.0).to_parquet(tmp_path / "results.parquet", index=False)
    (tmp_path / "rows.jsonl").unlink()
    with pytest.raises(KShotFileError, match=r"not what was saved.*Move the folder away"):
        compare(**request, out=tmp_path)


def test_steps_in_units_of_the_features_are_measured_on_the_first_support(
    compare, backbone, data, episodes
):
    grid = TuningGrid(lrs=(0.01,), feature_steps=(1.0,), steps=(2,))
    found = compare(methods=["plain"], episodes=episodes[:1], grid=grid)
    unit = 1 / feature_power(backbone, episodes[0].split(data)[0])
    assert found.manifest["grid"]["unit"] == pytest.approx(unit)
    assert found.settings["head_lr"].tolist() == pytest.approx([unit], rel=0.01)
    with pytest.raises(KShotValueError, match="'sgd'"):
        compare(
            methods=["plain"],
            episodes=episodes[:1],
            grid=grid,
            config=FinetuneConfig(optimizer="adam"),
        )


# ---- refusals ----------------------------------------------------------------------------------


def test_source_images_may_not_be_queries_in_any_form(compare, data, episodes):
    query = episodes[0].query[:2]
    unit = data.images[list(query)].transpose(0, 3, 1, 2).astype("float32") / 255
    for source in (data, data.images, unit, data.take(query)):
        with pytest.raises(KShotValueError, match="query images of the episodes"):
            compare(methods=["plain", "grouped"], source=source, groups_from="source")


def test_bad_requests(compare, backbone, source, episodes):
    with pytest.raises(KShotValueError, match="give `source=`"):
        compare(methods=["grouped"], groups_from="source")
    with pytest.raises(KShotKeyError, match="`groups_from` must be one of"):
        compare(groups_from="sources")
    with pytest.raises(KShotValueError, match="`n_groups` must be 1 to 6; not 99"):
        compare(methods=["grouped"], n_groups=99)
    with pytest.raises(KShotValueError, match="`device` must be one that torch can use here"):
        compare(methods=["plain"], device="gpu")
    with pytest.raises(KShotError, match="`seed` must be an integer"):
        compare(methods=["grouped"], seed=-1)
    with pytest.raises(KShotFileError, match="is a file; results need a folder"):
        compare(methods=["plain"], out=__file__)
    with pytest.raises(KShotValueError, match="fingerprint"):
        compare_methods(backbone, source, episodes)
    with pytest.raises(KShotValueError, match="twice"):
        compare(episodes=[*episodes, replace(episodes[0])])


def test_heavy_reuse_is_said_under_the_table(compare, data):
    many = sample_episodes(data, way=3, shot=1, query=5, n=30, seed=1)
    found = compare(
        methods=["plain"], episodes=many, grid=TuningGrid(lrs=(0.1,), head_lrs=(1.0,), steps=(1,))
    )
    assert found.manifest["query_reuse"] > 5
    assert "not independent" in found.note


def test_numbers_of_numpy_and_devices_are_saved_as_plain_ones(compare, episodes, tmp_path):
    made = compare(
        methods=["head_only"],
        episodes=episodes[:1],
        n_val=np.int64(2),
        seed=np.int64(3),
        device=torch.device("cpu"),
        out=tmp_path / "kept",
    )
    loaded = Comparison.load(tmp_path / "kept")
    assert (loaded.manifest["seed"], loaded.manifest["device"]) == (3, "cpu")
    assert loaded.manifest == made.manifest

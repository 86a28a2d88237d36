"""Studies: every regime chooses from its own rows, and tables follow from what was tested."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from networks import toy_backbone
from small_study import tasks

import kshot_viz as kv
from kshot_viz.errors import KShotFileError, KShotKeyError, KShotValueError
from kshot_viz.study.regimes.choices import Few, choose_many
from kshot_viz.study.regimes.files import known_folds
from kshot_viz.study.regimes.verdicts import verdicts
from kshot_viz.study.settings.choice import SETTING
from kshot_viz.study.task import Task

pytestmark = pytest.mark.slow
GRID = kv.TuningGrid(
    lrs=(0.01, 0.1), head_lrs=(0.3,), head_only_lrs=(0.1, 1.0), steps=(2, 8), extend=2
)
METHODS = ("head_only", "plain", "grouped", "bitfit", "nearest_mean")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("study") / "first"


@pytest.fixture(scope="module")
def found(folder):
    return kv.study(
        tasks(),
        methods=METHODS,
        grid=GRID,
        n_val=3,
        few=Few(episodes=2, queries=2),
        own_episodes=2,
        rules=("guarded", "best"),
        out=folder,
    )


# ---- choices -----------------------------------------------------------------------------------


def test_every_regime_and_rule_chose_for_every_task(found):
    sizes = found.choices.groupby(["regime", "rule"]).size()
    # 2 data sets, 2 numbers of shots and the methods that apply; `own` needs two shots.
    n = len(found.choices["method"].unique())
    assert sizes.loc[["blind", "few", "many"]].unique().tolist() == [2 * 2 * n]
    assert sizes["own"].unique().tolist() == [2 * n * 2]
    assert set(found.choices[found.choices["regime"] == "own"]["shot"]) == {2}


def test_many_is_what_a_comparison_chooses(found):
    for one in found.comparisons.values():
        tuning = one.frame[one.frame["pool"] == "val"]
        for _, rows in tuning.groupby("shot"):
            wanted = choose_many(rows, "guarded").set_index("method")
            mine = found.choices.query("regime == 'many' and rule == 'guarded'")
            mine = Task.of(rows.iloc[0]).rows(mine).set_index("method")
            assert mine[SETTING].equals(wanted.loc[mine.index, SETTING])


def test_the_comparison_of_a_regime_has_the_settings_of_a_comparison(found, folder):
    again = kv.Study.load(folder)
    for name, one in found.comparisons.items():
        for study in (found, again):
            pd.testing.assert_frame_equal(study.comparison(name).settings, one.settings)
    few = found.comparison(regime="few", rule="best")
    mine = found.choices[found.choices["data"] == few.data.name]
    labels = mine[mine["regime"] == "few"]["labels"]
    assert labels.max() <= few.manifest["labels_used_for_tuning"] <= labels.unique().sum()
    assert few.manifest["n_val"] == 2


def test_labels_are_those_of_the_target_that_a_regime_uses(found):
    labels = found.choices.groupby("regime")["labels"].agg(["min", "max"])
    assert labels.loc["blind"].tolist() == labels.loc["own"].tolist() == [0, 0]
    # Two episodes of 1 or 2 images and 2 queries of each of 3 classes.
    assert 0 < labels.loc["few", "max"] <= 2 * 3 * (2 + 2)
    assert labels.loc["few", "max"] < labels.loc["many", "min"]


# ---- rows and tables ---------------------------------------------------------------------------


def test_rows_are_the_test_rows_of_what_was_chosen(found):
    frame = found.frame
    one = frame[(frame["regime"] == "many") & (frame["rule"] == "guarded") & (frame["shot"] == 1)]
    for data, rows in one.groupby("data"):
        comparison = next(c for c in found.comparisons.values() if c.data.name == data)
        test = comparison.frame.query("pool == 'test' and chosen and shot == 1")
        given = rows.set_index(["method", "episode"])["accuracy"].sort_index()
        assert given.equals(test.set_index(["method", "episode"])["accuracy"].sort_index())
    own = frame[(frame["regime"] == "own") & frame["accuracy"].notna()]
    assert set(own["episode"]) == {"test/0", "test/1"}


def test_a_choice_for_one_episode_may_be_new_for_some_methods_only():
    one, _ = tasks(shots=(2,))
    grid = kv.TuningGrid(
        lrs=(0.01,), head_lrs=(0.1,), head_only_lrs=(0.01, 0.1, 1.0, 10.0), steps=(2, 4, 8)
    )
    options = {"methods": ["nearest_mean", "head_only"], "grid": grid, "n_val": 2}
    found = kv.study([one], regimes=["own", "many"], own_episodes=4, **options)
    for_all = found.choices["episode"] == ""
    pairs = found.choices[["method", *SETTING]].apply(tuple, axis=1)
    new = found.choices[~for_all & ~pairs.isin(set(pairs[for_all]))]
    # `nearest_mean` has one setting, which ran on all episodes.
    assert set(new["method"]) == {"head_only"}
    own = found.frame[found.frame["regime"] == "own"]
    assert own.groupby("method")["episode"].nunique().to_dict() == {
        "head_only": 4, "nearest_mean": 4,
    }  # fmt: skip


def test_what_is_chosen_for_one_episode_runs_on_that_one(found):
    everywhere = found.choices[found.choices["episode"] == ""]
    known = set(everywhere[["data", "shot", "method", *SETTING]].itertuples(index=False, name=None))
    alone = found.choices[found.choices["episode"] != ""]
    for one in found.comparisons.values():
        settings = one.settings[["data", "shot", "method", *SETTING]]
        kept = known | set(settings.itertuples(index=False, name=None))
        for key, rows in one.frame.query("pool == 'test'").groupby(
            ["data", "shot", "method", *SETTING]
        ):
            mine = alone.set_index(["data", "shot", "method", *SETTING])["episode"]
            wanted = 4 if key in kept else set(mine.loc[[key]])
            assert wanted == (len(rows) if key in kept else set(rows["episode"]))


def test_what_does_not_apply_is_a_row_with_its_reason(found):
    frame = found.frame
    lacking = frame[frame["accuracy"].isna()]
    assert (lacking["status"].str.startswith("not applicable: ")).all()
    assert set(lacking[lacking["regime"] == "own"]["shot"]) >= {1}
    assert "own at 1 shot: not applicable: one image a class" in str(found)


def test_regret_is_against_the_best_that_was_tested(found):
    regrets = found.regrets()
    whole = regrets[regrets["regime"] != "own"]
    assert (whole["regret"] >= 0).all()
    for _, task in whole.groupby(["data", "shot"]):
        assert set(task["best"]) == {task["best"].max()}
    table = found.regret()
    row = table.query("method == 'plain' and regime == 'many' and rule == 'guarded'").iloc[0]
    own = regrets.query("method == 'plain' and regime == 'many' and rule == 'guarded'")
    assert row["mean"] == pytest.approx(own["regret"].mean())
    assert row["worst"] == own["regret"].max()
    assert row["tasks"] == 4
    # Of two data sets, both ends of the interval are draws of one of them twice.
    by_data = own.groupby("data")["regret"].mean()
    assert len(by_data) == 2
    assert (row["low"], row["high"]) == pytest.approx((by_data.min(), by_data.max()))


def test_wins_are_counted_task_by_task(found):
    wins = found.wins()
    assert set(wins["method"]) == set(found.frame.dropna()["method"]) - {"plain"}
    counted = wins[wins["regime"] == "many"][["wins", "ties", "losses"]].sum(axis=1)
    assert (counted == 4).all()
    with pytest.raises(KShotKeyError, match="reference"):
        found.wins(reference="nothing")


def test_ranks_name_regime_and_rule(found):
    ranks = found.ranks("many")
    assert (ranks.tasks, ranks.data_sets) == (4, 2)
    assert ranks.average.between(1, len(ranks.average)).all()
    with pytest.raises(KShotKeyError, match="regime"):
        found.ranks("nothing")


def test_more_shots_of_the_same_data_may_be_a_task_of_their_own():
    first, _ = tasks(shots=(1, 2), episodes=2)
    more = replace(first, shots=(3,), name="a with three")
    found = kv.study(
        [first, more],
        methods=["head_only"],
        regimes=("own", "many"),
        grid=replace(GRID, extend=0),
        n_val=1,
        own_episodes=1,
    )
    assert set(found.frame["shot"]) == {1, 2, 3}
    assert set(found.comparisons["a with three"].frame["shot"]) == {3}
    assert set(found.comparisons["a with three"].settings["shot"]) == {3}


def test_blind_chooses_on_no_image_of_the_target():
    first, second = tasks(shots=(1,), episodes=1)
    third = replace(first, data=replace(first.data, name="c"), name="c")
    grid = kv.TuningGrid(lrs=(0.01, 0.1), head_lrs=(0.3,), steps=(4,))
    found = kv.study(
        [first, third, second], methods=["plain"], regimes=["blind"], grid=grid, n_val=2
    )
    alone = kv.study([first, second], methods=["plain"], regimes=["blind"], grid=grid, n_val=2)
    chosen = [one.choices[one.choices["data"] == "a"]["tuned"].tolist() for one in (found, alone)]
    # As if the task on its own images, under another name, were not there.
    assert chosen[0] == chosen[1]
    with pytest.raises(KShotValueError, match="on other images"):
        kv.study([first, third], methods=["plain"], regimes=["blind"], grid=grid, n_val=2)


@pytest.mark.parametrize(("optimizer", "steps"), [("sgd", [1.0, 10.0]), ("adam", None)])
def test_without_a_grid_steps_of_the_head_suit_every_network(optimizer, steps):
    candidate = kv.Candidate(None, kv.FinetuneConfig(optimizer=optimizer), "head_only")
    one = tasks(shots=(1,), episodes=1)[:1]
    found = kv.study(one, methods=[candidate], regimes=["many"], n_val=2)
    (comparison,) = found.comparisons.values()
    assert comparison.manifest["grid"].get("feature_steps") == steps
    assert comparison.manifest["grid"]["extend"] == 0


def test_steps_in_units_of_the_features_carry_over_to_another_network():
    first, second = tasks(shots=(2,), episodes=2)
    network = toy_backbone()
    with torch.no_grad():
        # Its features are ten times as long.
        network.module.deep.weight.mul_(10)
        network.module.deep.bias.mul_(10)
    found = kv.study(
        [first, replace(second, backbone=network)],
        methods=["head_only", "plain"],
        regimes=("blind", "many"),
        rules=("best",),
        grid=kv.TuningGrid(lrs=(0.001, 0.01), feature_steps=(0.01, 1.0), steps=(8,)),
        n_val=2,
    )
    kept = found.comparisons.values()
    units = {one.manifest["data"]["name"]: one.manifest["grid"]["unit"] for one in kept}
    assert units["a"] > 50 * units["b"]
    chosen = found.choices.set_index(["regime", "data", "method"])
    sizes, bodies = chosen["head_lr"], chosen["lr"]
    for method in ("head_only", "plain"):
        for here, there in (("a", "b"), ("b", "a")):
            # With one other task, what is chosen blindly is what that task chooses for itself.
            step = sizes["many", there, method] / units[there]
            assert sizes["blind", here, method] == pytest.approx(step * units[here], rel=0.01)
            assert bodies["blind", here, method] == bodies["many", there, method]


# ---- files -------------------------------------------------------------------------------------


def test_a_saved_study_is_the_same(found, folder):
    again = kv.Study.load(folder)
    pd.testing.assert_frame_equal(again.frame, found.frame)
    assert str(again) == str(found)
    rows = pd.read_parquet(folder / "rows.parquet")
    assert len(rows) == len(found.frame)


def test_the_same_call_goes_on_from_its_rows(found, folder, monkeypatch):
    from kshot_viz.evaluate import executors

    def never(job):
        raise AssertionError("a job ran again")

    monkeypatch.setattr(executors, "run_job", never)
    again = kv.study(
        tasks(), methods=METHODS, grid=GRID, n_val=3, few=Few(2, 2), own_episodes=2,
        rules=("guarded", "best"), out=folder,
    )  # fmt: skip
    assert again.frame.equals(found.frame)


def test_a_saved_study_is_gone_on_from_without_its_stores(found, folder, tmp_path, monkeypatch):
    from kshot_viz.evaluate import executors

    run, again = executors.run_job, []
    monkeypatch.setattr(executors, "run_job", lambda job: again.append(job.key) or run(job))
    found.save(tmp_path)
    more = kv.study(
        tasks(), methods=METHODS, grid=GRID, n_val=3, few=Few(2, 2), own_episodes=2,
        rules=("guarded", "best"), out=tmp_path,
    )  # fmt: skip
    # Of what two regimes chose for one episode a study keeps one row, so a job may lack one.
    jobs = [len(path.read_text().splitlines()) for path in folder.glob("*/rows.jsonl")]
    assert len(again) < 0.02 * sum(jobs)
    assert set(more.folds) == set(found.folds)
    timed = ["seconds"]
    pd.testing.assert_frame_equal(more.frame.drop(columns=timed), found.frame.drop(columns=timed))


def test_folds_are_rows_of_a_study(found, folder):
    loaded = kv.Study.load(folder).folds
    assert set(loaded) == set(found.folds) == set(found.comparisons)
    for name, rows in loaded.items():
        pd.testing.assert_frame_equal(rows, found.folds[name])
        # Two images a class leave one out in each of two folds.
        assert set(rows["of_shot"]) == {2}
        assert set(rows["shot"]) == {1}
        assert set(rows["of_episode"]) == {"test/0", "test/1"}


def test_a_study_with_more_methods_and_episodes_computes_what_is_new(found, tmp_path, monkeypatch):
    from kshot_viz.evaluate import executors

    run, ran = executors.run_job, []

    def told(job):
        names = {one.candidate.name for one in job.entries}
        ran.append((names, job.inputs.episode.pool, job.inputs.episode.index))
        return run(job)

    monkeypatch.setattr(executors, "run_job", told)
    found.save(tmp_path)
    more = kv.study(
        tasks(episodes=5), methods=[*METHODS, "cosine_head"], grid=GRID, n_val=3, few=Few(2, 2),
        own_episodes=2, rules=("guarded", "best"), out=tmp_path,
    )  # fmt: skip
    known = [names for names, pool, _ in ran if pool == "val" and names != {"cosine_head"}]
    assert not known
    assert {index for names, pool, index in ran if pool == "test" and "plain" in names} == {4}
    assert set(more.frame["method"]) > set(found.frame["method"])


def test_a_folder_of_other_tasks_is_refused(found, tmp_path):
    found.save(tmp_path)
    kept = (tmp_path / "study.json").read_bytes()
    with pytest.raises(KShotFileError, match="holds another study, with b ToyNet"):
        kv.study(tasks()[:1], methods=["nearest_mean"], regimes=["few"], out=tmp_path)
    assert (tmp_path / "study.json").read_bytes() == kept


def test_folds_of_a_study_before_are_not_those_of_the_next(found, tmp_path):
    found.save(tmp_path)
    replace(found, folds={}).save(tmp_path)
    assert kv.Study.load(tmp_path).folds == {}


def test_changed_folds_are_told_and_not_gone_on_from(found, folder, tmp_path):
    found.save(tmp_path)
    (path, *_) = tmp_path.glob("*/folds.parquet")
    pd.read_parquet(path).assign(accuracy=1.0).to_parquet(path, index=False)
    with pytest.raises(KShotFileError, match=r"folds.parquet is not what was saved"):
        kv.Study.load(tmp_path)
    assert len(known_folds(tmp_path)) == len(found.folds) - 1
    assert set(known_folds(folder)) == set(found.folds)


def test_any_row_comes_out_again(found):
    one = next(iter(found.comparisons.values()))
    test = np.flatnonzero(one.frame["pool"] == "test")
    for row in (test[0], test[-1]):
        assert one.replay(int(row)).identical


@pytest.mark.parametrize(
    "damage",
    [
        lambda about: about.pop("choices"),
        lambda about: about["manifest"].update(folders={"a": "../a"}),
        lambda about: about["manifest"].update(folders=3),
        lambda about: about.update(schema=99),
        lambda about: about.update(folds=3),
        lambda about: about.update(folds={"another": "0"}),
    ],
)
def test_a_damaged_study_is_told(found, folder, tmp_path, damage):
    about = json.loads((folder / "study.json").read_text())
    damage(about)
    (tmp_path / "study.json").write_text(json.dumps(about))
    with pytest.raises(KShotFileError):
        kv.Study.load(tmp_path)


def test_a_method_that_is_not_in_every_task_is_not_called_the_best():
    regret = pd.DataFrame(
        [("plain", 2.0, 3.0, 4), ("head_only", 1.0, 4.0, 4), ("bitfit", 0.1, 0.1, 1)],
        columns=["method", "mean", "worst", "tasks"],
    ).assign(regime="many", rule="guarded")
    ranks = SimpleNamespace(difference=float("nan"))
    study = SimpleNamespace(
        regret=lambda: regret,
        ranks=lambda *args, **given: ranks,
        frame=pd.DataFrame({"method": []}),
    )
    (said,) = verdicts(study)
    assert said.startswith("head_only is least behind")
    assert "worst case is that of plain: 3.0" in said
    assert said.endswith("Not in every task, and so not compared with these: bitfit.")

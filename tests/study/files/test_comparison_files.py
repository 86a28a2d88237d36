"""Law 10: saved and loaded is equal; what is cut off or newer says so."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from kshot_viz.errors import KShotFileError
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.files.comparison_files import ABOUT, ROWS, SCHEMA
from kshot_viz.viz.report.report import report_page


@pytest.fixture
def folder(short, tmp_path):
    return short.save(tmp_path / "deep" / "results")


def test_loaded_is_equal_to_saved(comparison, tmp_path):
    loaded = Comparison.load(comparison.save(tmp_path))
    pd.testing.assert_frame_equal(loaded.frame, comparison.frame)
    pd.testing.assert_frame_equal(loaded.settings, comparison.settings)
    assert loaded.frame.equals(comparison.frame)
    assert loaded.manifest == comparison.manifest
    assert loaded.candidates == comparison.candidates
    assert loaded.episodes == comparison.episodes


def test_loaded_says_the_same(short, folder):
    loaded = Comparison.load(folder)
    pd.testing.assert_frame_equal(loaded.summary(), short.summary())
    pd.testing.assert_frame_equal(loaded.curve(), short.curve())
    assert loaded._repr_html_() == short._repr_html_()


def test_saving_again_changes_nothing(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    Comparison.load(folder).save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert set(before) == {ROWS, ABOUT}


@pytest.mark.parametrize("name", [ABOUT, ROWS])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_that_is_cut_off_is_named(folder, name, share):
    path = folder / name
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(KShotFileError, match=f"{name} holds no readable"):
        Comparison.load(folder)


@pytest.mark.parametrize("name", [ABOUT, ROWS])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(KShotFileError, match=f"{name} holds no readable.*there is no such file"):
        Comparison.load(folder)


def test_a_newer_file_asks_for_a_newer_version(folder):
    record = json.loads((folder / ABOUT).read_text())
    (folder / ABOUT).write_text(json.dumps(record | {"schema": SCHEMA + 1}))
    with pytest.raises(KShotFileError, match=rf"up to {SCHEMA}\..*newer"):
        Comparison.load(folder)


def test_a_grouping_that_settings_share_is_written_once(short, folder):
    about = json.loads((folder / ABOUT).read_text())
    formed = [one.to_dict()["grouping"] for one in short.candidates.values() if one.grouping]
    distinct = {json.dumps(one) for one in formed}
    assert len(about["groupings"]) == len(distinct) < len(formed)


def test_files_whose_candidates_hold_their_groupings_load(short, folder):
    about = json.loads((folder / ABOUT).read_text())
    del about["groupings"], about["check"]
    about["candidates"] = {key: one.to_dict() for key, one in short.candidates.items()}
    (folder / ABOUT).write_text(json.dumps(about | {"schema": 3}))
    assert Comparison.load(folder).candidates == short.candidates


@pytest.mark.parametrize("number", [99, -1, "0", None])
def test_a_grouping_that_is_not_there_is_named(folder, number):
    about = json.loads((folder / ABOUT).read_text())
    del about["check"]
    for one in about["candidates"].values():
        one["grouping"] = {"shared": number}
    (folder / ABOUT).write_text(json.dumps(about))
    with pytest.raises(KShotFileError, match="no readable comparison"):
        Comparison.load(folder)


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": "1"}', "null", "12", "\x00"])
def test_another_json_is_no_comparison(folder, text):
    (folder / ABOUT).write_text(text)
    with pytest.raises(KShotFileError, match=f"{ABOUT} holds no"):
        Comparison.load(folder)


@pytest.mark.parametrize("part", ["manifest", "settings", "candidates", "episodes"])
def test_a_part_that_is_missing_is_named(folder, part):
    record = json.loads((folder / ABOUT).read_text())
    del record[part]
    (folder / ABOUT).write_text(json.dumps(record))
    with pytest.raises(KShotFileError, match=f"lacks {part}"):
        Comparison.load(folder)


def test_another_table_is_no_comparison(folder):
    pd.DataFrame({"a": [1]}).to_parquet(folder / ROWS)
    with pytest.raises(KShotFileError, match=f"{ROWS} holds no readable rows"):
        Comparison.load(folder)


def test_a_full_disk_leaves_the_old_files(short, folder, monkeypatch):
    before = {name: (folder / name).read_bytes() for name in (ROWS, ABOUT)}

    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(KShotFileError, match="results cannot be written: No space left"):
            short.save(folder)
    assert {name: (folder / name).read_bytes() for name in (ROWS, ABOUT)} == before
    pd.testing.assert_frame_equal(Comparison.load(folder).frame, short.frame)


def test_a_path_that_is_a_file(short, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(KShotFileError, match="cannot be written"):
        short.save(tmp_path / "file")
    with pytest.raises(KShotFileError, match="Not a directory"):
        Comparison.load(tmp_path / "file")


NEW_SETTINGS = ("tuned", "collapsed", "margin", "rule", "edge")


def test_results_of_the_second_schema_load(comparison, tmp_path):
    """As version 0.2.0 wrote them at first: without what is tuned, and by which rule."""
    folder = comparison.save(tmp_path / "second")
    about = json.loads((folder / ABOUT).read_text())
    about["settings"] = [
        {k: v for k, v in one.items() if k not in NEW_SETTINGS} for one in about["settings"]
    ]
    # Nor had those files a digest, or a table of neurons.
    del about["check"], about["alike"]
    (folder / ABOUT).write_text(json.dumps(about | {"schema": 2}))
    comparison.frame.drop(columns=["tuned", "stopped"]).to_parquet(folder / ROWS, index=False)
    loaded = Comparison.load(folder)
    assert loaded.summary().equals(comparison.summary())
    assert loaded.curve().equals(comparison.curve())
    assert set(comparison.settings.columns) == set(loaded.settings.columns)
    assert set(loaded.settings.rule) == {"best"}


@pytest.mark.slow
def test_results_of_the_first_schema_load_and_replay(comparison, tmp_path):
    """As version 0.1.0 wrote them: a bare name for the method, and keys made of that."""
    folder = comparison.save(tmp_path / "first")
    about = json.loads((folder / ABOUT).read_text())
    keys, candidates = {}, {}
    for key, record in about["candidates"].items():
        record["method"] = {"shuffled": "grouped", "weight_groups": "grouped"}.get(
            record["method"]["name"], record["method"]["name"]
        )
        keys[key] = f"old {key}"
        candidates[keys[key]] = record | {"apart": record["name"]}
    settings = [
        {k: v for k, v in one.items() if k not in ("data", "backbone", "setting", *NEW_SETTINGS)}
        for one in about["settings"]
    ]
    del about["check"], about["alike"]
    about |= {"schema": 1, "candidates": candidates, "settings": settings}
    (folder / ABOUT).write_text(json.dumps(about))
    new = ["data", "backbone", "weight_decay", "options", "setting", "tuned", "stopped"]
    frame = comparison.frame.drop(columns=new).rename(columns={"run": "task"})
    frame["candidate"] = frame["candidate"].map(keys)
    frame.to_parquet(folder / ROWS, index=False)
    loaded = Comparison.load(folder)
    assert loaded.summary().equals(comparison.summary())
    assert loaded.curve().equals(comparison.curve())
    assert set(comparison.frame.columns) == set(loaded.frame.columns)
    # Such files were chosen by the rule "best", so the other one is another.
    both = [one.robustness().query("variant != 'other rule'") for one in (loaded, comparison)]
    pd.testing.assert_frame_equal(*both)
    row = int(loaded.frame.index[loaded.frame.method == "shuffled"][-1])
    assert loaded.replay(row, backbone=comparison.backbone, data=comparison.data).identical


@pytest.mark.parametrize("change", ["accuracy of a row", "step size of a setting", "older rows"])
def test_what_was_changed_after_it_was_saved_is_noticed(short, folder, change):
    if change == "accuracy of a row":
        frame = pd.read_parquet(folder / ROWS)
        frame.loc[0, "accuracy"] = 0.99
        frame.to_parquet(folder / ROWS, index=False)
    elif change == "older rows":
        frame = short.frame.iloc[:-1]
        frame.to_parquet(folder / ROWS, index=False)
    else:
        about = json.loads((folder / ABOUT).read_text())
        about["settings"][0]["lr"] = 0.5
        (folder / ABOUT).write_text(json.dumps(about))
    with pytest.raises(KShotFileError, match=r"not what was saved: .*given again"):
        Comparison.load(folder)


def test_files_without_a_table_of_neurons_load_and_their_report_has_no_verdict(short, tmp_path):
    folder = short.save(tmp_path / "older")
    about = json.loads((folder / ABOUT).read_text())
    del about["alike"], about["check"]
    (folder / ABOUT).write_text(json.dumps(about))
    loaded = Comparison.load(folder)
    assert list(loaded.alike.columns) == list(short.alike.columns)
    assert len(loaded.alike) == 0
    page = report_page(loaded, figures={}, title="T")
    assert "Does it hold at other settings?" in page
    assert "which neurons share a group" not in page
    assert Comparison.load(loaded.save(tmp_path / "again")).frame.equals(short.frame)


def test_a_table_of_neurons_that_is_none_is_named(folder):
    about = json.loads((folder / ABOUT).read_text()) | {"alike": 5}
    del about["check"]
    (folder / ABOUT).write_text(json.dumps(about))
    with pytest.raises(KShotFileError, match=f"{ABOUT} holds no readable comparison"):
        Comparison.load(folder)


def test_files_without_a_check_load(comparison, tmp_path):
    folder = comparison.save(tmp_path / "older")
    about = json.loads((folder / ABOUT).read_text())
    del about["check"]
    (folder / ABOUT).write_text(json.dumps(about))
    assert Comparison.load(folder).frame.equals(comparison.frame)

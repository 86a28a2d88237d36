"""``kshot-viz fit`` and ``predict``, on pictures made up here."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from anchored import Anchored
from command_line import CLASSES, Ended, kshot, make_pictures, picture

import kshot_viz as kv
from kshot_viz.methods import registry
from kshot_viz.study.recommendation.prior import shipped_prior
from kshot_viz.study.saved.folder import ABOUT


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("given") / "zoo", per_class=3)


@pytest.fixture(scope="module")
def fitted(pictures, tmp_path_factory) -> tuple[Ended, Path]:
    """A classifier with everything at its default but the network's size."""
    out = tmp_path_factory.mktemp("runs") / "mine"
    return kshot("fit", pictures, "--out", out, "--size", 16, "--workers", 1), out


def test_fit_prints_what_it_recommends_and_expects(fitted):
    ended, out = fitted
    assert ended.code == 0
    assert "ImageDataset('zoo': 9 images, 3 classes" in ended.out
    assert "Recommended: " in ended.out
    assert "- There are 3 classes with 3 images each." in ended.out
    assert "Expected accuracy on images like these: " in ended.out
    assert f"kshot-viz predict {out} IMAGE..." in ended.out
    assert {one.name for one in out.iterdir()} == {
        ABOUT,
        json.loads((out / ABOUT).read_text("utf-8"))["classifier"]["weights"]["file"],
    }


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_tried(pictures, tmp_path):
    (tmp_path / "taken").write_text("mine")
    ended = kshot("fit", pictures, "--out", tmp_path / "taken" / "below", "--size", 16)
    assert ended.code == 2
    assert "cannot be written" in ended.complaint
    assert "Recommended" not in ended.out


def test_python_loads_what_the_command_wrote(fitted, pictures):
    _, out = fitted
    loaded, data = kv.load_classifier(out), kv.load_dataset(pictures)
    assert tuple(loaded.classes) == CLASSES
    assert tuple(loaded.record["training"]["digests"]) == data.digests
    assert loaded.record["training"]["command"].startswith("kshot-viz")
    network = kv.load_backbone("glyphnet", size=16)
    again = kv.recommend(network, data)
    assert again.estimate == loaded.estimate
    result = again.finetune(network, data)
    assert loaded.predict_proba(data).tolist() == result.predict_proba(data).tolist()


def test_predict_names_the_class_of_every_file(fitted, pictures, tmp_path):
    _, out = fitted
    picture(1, 77).save(tmp_path / "new one.png")
    (tmp_path / "more" / "below").mkdir(parents=True)
    shutil.copy(pictures / "ape" / "00.png", tmp_path / "more" / "below" / "a.png")
    words = ("predict", out, tmp_path / "new one.png", tmp_path / "more")
    table = kshot(*words)
    assert (table.code, table.err) == (0, "")
    lines = table.out.splitlines()
    assert lines[0].split() == ["file", "class", "probability"]
    assert [line.split()[-2] in CLASSES for line in lines[1:]] == [True, True]
    rows = json.loads(kshot(*words, "--json").out)
    assert [Path(one["file"]).name for one in rows] == ["new one.png", "a.png"]
    listed = list(csv.DictReader(io.StringIO(kshot(*words, "--csv").out)))
    assert [(one["file"], one["class"]) for one in listed] == [
        (one["file"], one["class"]) for one in rows
    ]
    assert all(sum(float(one[name]) for name in CLASSES) > 0.99 for one in listed)
    assert kshot(*words, "--csv", "--json").code == 2
    loaded = kv.load_classifier(out)
    for one in rows:
        shares = one["probabilities"]
        assert set(shares) == set(CLASSES)
        assert sum(shares.values()) == pytest.approx(1.0)
        assert shares[one["class"]] == one["probability"] == max(shares.values())
    assert loaded.predict(kv.load_dataset(pictures).take([0])).tolist() == [rows[1]["class"]]


def test_with_one_image_of_a_class_other_tasks_decide(tmp_path):
    pictures, known = make_pictures(tmp_path / "zoo", per_class=1), shipped_prior(1)
    ended = kshot("fit", pictures, "--out", tmp_path / "mine", "--size", 16, "--workers", 1)
    assert f"Recommended: {min(known, key=known.get)}" in ended.out


def test_one_method_is_estimated_alone(pictures, tmp_path):
    words = ("--size", 16, "--workers", 1, "--method", "nearest_mean")
    ended = kshot("fit", pictures, "--out", tmp_path / "mine", *words)
    assert ended.code == 0
    assert "Asked for: nearest mean" in ended.out
    assert "every fold chose" not in ended.out
    loaded = kv.load_classifier(tmp_path / "mine")
    assert loaded.estimate.methods == ()
    assert set(loaded.record["recommendation"]["accuracies"]) == {"nearest_mean"}


def test_bad_pictures_stop_or_are_skipped(fitted, tmp_path):
    _, out = fitted
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    picture(0, 5).save(good)
    bad.write_bytes(good.read_bytes()[:60])
    ended = kshot("predict", out, good, bad)
    assert ended.code == 2
    assert "bad.png" in ended.complaint
    assert "--skip-bad" in ended.complaint
    skipped = kshot("predict", out, good, bad, "--skip-bad")
    assert skipped.code == 0
    assert "Skipped: " in skipped.err
    assert len(skipped.out.splitlines()) == 2
    bad.write_bytes(b"no image")
    none = kshot("predict", out, bad, "--skip-bad", "--json")
    assert (none.code, none.out) == (2, "")
    assert "it is no image" in none.err
    assert "None of the images could be read" in none.complaint


def test_without_the_packages_for_onnx_nothing_runs(pictures, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    ended = kshot("fit", pictures, "--out", tmp_path / "mine", "--onnx")
    assert (ended.code, ended.out) == (2, "")
    assert "kshot-viz[onnx]" in ended.complaint
    assert not (tmp_path / "mine").exists()


def test_help_names_the_extra():
    assert "kshot-viz[onnx]" in kshot("fit", "--help").out


def full(folder: Path) -> Path:
    (folder / "notes.txt").write_text("mine", "utf-8")
    return folder


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (lambda p, t: ["fit", p], "--out"),
        (lambda p, t: ["fit", t / "no", "--out", t / "o"], "is not a folder"),
        (lambda p, t: ["fit", p, "--out", full(t)], "holds something else"),
        (lambda p, t: ["fit", p, "--out", t / "o", "--method", "plane"], "'plain'"),
        (lambda p, t: ["fit", p, "--out", t / "o", "--method", "recomended"], "'recommended'?"),
        (lambda p, t: ["fit", p, "--out", t / "o", "--backbone", "glyphnett"], "glyphnet"),
        (lambda p, t: ["predict", t, p], "no saved classifier"),
        (lambda p, t: ["predict", t], "images"),
    ],
)
def test_a_command_that_cannot_work_says_why(words, complaint, pictures, tmp_path):
    ended = kshot(*words(pictures, tmp_path))
    assert ended.code == 2
    assert complaint.lower() in ended.complaint.lower()


def test_an_empty_folder_and_a_missing_picture_are_named(fitted, tmp_path):
    _, out = fitted
    (tmp_path / "empty").mkdir()
    assert "no image file" in kshot("predict", out, tmp_path / "empty").complaint
    assert "gone.png" in kshot("predict", out, tmp_path / "gone.png").complaint


def test_a_method_that_cannot_be_saved_is_refused_before_anything_runs(
    pictures, tmp_path, monkeypatch
):
    monkeypatch.setitem(registry._METHODS, Anchored.name, Anchored)
    ended = kshot(
        "fit", pictures, "--out", tmp_path / "mine", "--size", 16, "--workers", 1,
        "--method", "anchored",
    )  # fmt: skip
    assert ended.code == 2
    assert "added modules" in ended.complaint
    assert "leave one out" not in ended.err
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("method", ["adafilter", "cosine_head"])
def test_a_method_that_adds_modules_is_used(method, pictures, tmp_path):
    out = tmp_path / "mine"
    kshot("fit", pictures, "--out", out, "--size", 16, "--workers", 1, "--method", method)
    rows = json.loads(kshot("predict", out, pictures, "--json").out)
    assert len(rows) == 9
    assert kv.load_classifier(out).result.method == method

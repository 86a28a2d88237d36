"""``kshot-viz inside``, on pictures made up here."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pandas as pd
import pytest
from command_line import kshot, make_pictures

from kshot_viz.cli.inside import RECORD, _write_numbers

SMALL = ("--size", 16, "--shot", 2, "--query", 5, "--steps", 2)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return make_pictures(tmp_path_factory.mktemp("given") / "zoo", per_class=20)


@pytest.mark.slow
def test_it_leaves_a_report_and_its_numbers(pictures, tmp_path):
    ended = kshot("inside", pictures, "--out", tmp_path / "out", "--episodes", 1, *SMALL)
    assert (ended.code, ended.err) == (0, "")
    assert "ImageDataset('zoo': 60 images, 3 classes" in ended.out
    assert "FinetuneAnalysis of glyphnet on zoo, tuned by 'plain'." in ended.out
    assert "Written: " in ended.out
    files = {one.name for one in (tmp_path / "out").iterdir()}
    assert files >= {"report.html", "layers.csv", "dynamics.csv", "masking.csv"}
    assert set(pd.read_csv(tmp_path / "out" / "dynamics.csv")["method"]) == {"plain", "grouped"}
    assert "kshot-viz inside" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_tables_of_others_are_never_removed(pictures, tmp_path):
    mine = tmp_path / "layers.csv"
    mine.write_text("precious")
    ended = kshot("inside", pictures, "--out", tmp_path, *SMALL)
    assert ended.code == 2
    assert "holds something else and no report of `kshot-viz inside`" in ended.complaint
    assert mine.read_text() == "precious"


def test_tables_of_an_earlier_report_are(tmp_path):
    for name in ("layers.csv", "masking.csv", "mine.csv"):
        (tmp_path / name).write_text("then")
    listed = ["masking.csv", "mine.csv", "../layers.csv"]
    (tmp_path / RECORD).write_text(json.dumps({"tables": listed}))
    found = SimpleNamespace(frames=lambda: {"layers": pd.DataFrame({"now": [1]})})
    _write_numbers(found, tmp_path, "by hand")
    assert {one.name for one in tmp_path.iterdir()} == {RECORD, "layers.csv", "mine.csv"}
    assert json.loads((tmp_path / RECORD).read_text())["tables"] == ["layers.csv"]


def test_what_it_cannot_do_is_one_line(pictures, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("x")
    for words, told in {
        ("--out", taken): "kept in a folder",
        ("--method", "plane"): "plane",
        ("--graph-layer", "blocks.9"): "blocks.3.conv",
        ("--shot", 40): "has 20 images",
    }.items():
        ended = kshot("inside", pictures, "--out", tmp_path / "out", *SMALL, *words)
        assert ended.code == 2
        assert told in ended.complaint
    assert not (tmp_path / "out").exists()

"""``--invert`` and ``--max-pixels`` of every command that takes images, and their record."""

from __future__ import annotations

import json
import warnings

import pytest
from command_line import UNTUNED, kshot, make_pictures, make_weights, picture, small_run
from PIL import ImageOps
from test_servers import REQUEST, Called

from kshot_viz.cli import servers
from kshot_viz.cli.requests import TaskRequest
from kshot_viz.search.group_search import GroupSearch
from kshot_viz.study.comparison import Comparison

SEARCH = ["--way", 3, "--query", 4, "--tasks", 2, "--budget", 2, "--workers", 1]
SIDE = 40


@pytest.fixture
def pictures(tmp_path):
    """Pictures of 400 pixels, and one of 1600."""
    root = make_pictures(tmp_path / "zoo")
    picture(0, 50, side=SIDE).save(root / "ape" / "large.png")
    return root


@pytest.fixture
def run(pictures, tmp_path):
    weights = make_weights(tmp_path / "net.safetensors")
    return lambda *words: kshot(
        *small_run(pictures, weights, tmp_path / "out", "--method", "plain", *UNTUNED, *words)
    )


@pytest.mark.parametrize("command", ["compare", "search", "dashboard"])
def test_the_options_stand_in_the_help(command):
    words = " ".join(kshot(command, "--help").out.replace("│", " ").split())
    assert "--max-pixels" in words
    assert "Pixels of the largest image that is read" in words
    assert "--invert" in words
    assert "Swap black and white, as dark strokes on paper need." in words


def test_a_comparison_keeps_them_and_its_rows_are_replayed_with_them(run, tmp_path):
    out = tmp_path / "out"
    assert run("--invert", "--max-pixels", SIDE * SIDE).code == 0
    request = json.loads((out / "request.json").read_text("utf-8"))
    assert (request["invert"], request["max_pixels"]) == (True, SIDE * SIDE)
    assert "invert=True" in Comparison.load(out).manifest["preprocess"]
    again = kshot("replay", out, "--row", 0)
    assert (again.code, again.err) == (0, "")
    (out / "request.json").write_text(json.dumps(request | {"invert": False}))
    other = kshot("replay", out, "--row", 0)
    assert other.code == 2
    assert "prepares images by" in other.complaint


def test_a_folder_of_other_options_is_refused_and_one_from_before_there_were_any_is_not(
    run, tmp_path
):
    assert run().code == 0
    file = tmp_path / "out" / "request.json"
    request = json.loads(file.read_text("utf-8"))
    refused = run("--invert")
    assert refused.code == 2
    assert "differ in invert" in refused.complaint
    for name in ("invert", "max_pixels"):
        del request[name]
    file.write_text(json.dumps(request))
    assert kshot("replay", tmp_path / "out", "--row", 0).code == 0
    assert run().code == 0


def test_too_large_an_image_is_refused_and_can_be_skipped(run):
    refused = run("--max-pixels", SIDE * SIDE - 1)
    assert refused.code == 2
    assert "large.png" in refused.complaint
    assert "40 x 40 pixels" in refused.complaint
    assert "--max-pixels" in refused.complaint
    skipped = run("--max-pixels", SIDE * SIDE - 1, "--skip-bad")
    assert skipped.code == 0, skipped.err
    assert "Skipped, since unreadable" in skipped.out


def test_no_pixels_are_no_limit(run):
    refused = run("--max-pixels", 0)
    assert refused.code == 2
    assert "--max-pixels" in refused.complaint


@pytest.mark.slow
def test_a_search_takes_them_and_another_is_not_continued(pictures, tmp_path):
    # Of random weights no image is known that they learned from.
    command = ["search", pictures, *SEARCH, "--weights", "none", "--out", tmp_path / "run"]
    refused = kshot(*command, "--max-pixels", SIDE * SIDE - 1)
    assert refused.code == 2
    assert "large.png" in refused.complaint
    done = kshot(*command, "--max-pixels", SIDE * SIDE, "--invert")
    assert done.code == 0, done.err
    manifest = GroupSearch.attach(tmp_path / "run" / "search.journal").manifest
    assert "invert=True" in manifest["preprocess"]
    other = kshot(*command, "--max-pixels", SIDE * SIDE)
    assert other.code == 2
    assert "preprocess differ" in other.complaint


def test_a_search_of_a_built_in_set_has_no_largest_image():
    refused = kshot("search", "digits", *SEARCH, "--max-pixels", 100)
    assert refused.code == 2
    assert "has no option 'max_pixels'" in refused.complaint


def test_a_dashboard_hands_them_over(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(servers, "serve", Called())
    monkeypatch.setenv("JUPYTER_PATH", "")
    out = tmp_path / "out"
    ended = kshot("dashboard", pictures, "--invert", "--max-pixels", 1600, "--out", out)
    assert ended.code == 0, ended.err
    record = json.loads((out / "dashboard.json").read_text("utf-8"))
    request = TaskRequest(**record | {"shots": tuple(record["shots"])})
    assert request.network().preprocess.invert
    assert len(request.images()) == 49
    assert request.reading == {"max_pixels": 1600}


def test_a_network_that_is_inverted_is_the_same_otherwise():
    plain = REQUEST.network()
    inverted = TaskRequest(**vars(REQUEST) | {"invert": True}).network()
    assert not plain.preprocess.invert
    assert inverted.preprocess.invert
    assert (inverted.name, inverted.fingerprint) == (plain.name, plain.fingerprint)
    assert (inverted.head_name, inverted.notes) == (plain.head_name, plain.notes)


@pytest.mark.slow
def test_images_that_look_inverted_are_told_in_one_line_that_names_the_option(tmp_path):
    for kind in range(3):
        folder = tmp_path / "paper" / f"class{kind}"
        folder.mkdir(parents=True)
        for number in range(12):
            ImageOps.invert(picture(kind, number).convert("L").point(_dark)).save(
                folder / f"{number}.png"
            )
    words = ["--backbone", "glyphnet", "--query", 5, "--episodes", 1, "--workers", 1]
    command = ["compare", tmp_path / "paper", *words, *UNTUNED, "--method", "head_only"]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        plain = kshot(*command, "--out", tmp_path / "plain")
        inverted = kshot(*command, "--out", tmp_path / "inverted", "--invert")
    (told,) = [line for line in plain.err.splitlines() if "inverted" in line]
    assert told.startswith("kshot-viz: warning: For glyphnet the images of 'paper' look inverted")
    assert told.endswith("Swap black and white by `--invert`.")
    assert ".py" not in plain.err
    assert "look inverted" not in inverted.err


def _dark(level: int) -> int:
    return 0 if level < 150 else 255

"""The command ``study``: its file, what it leaves, and the replay of a row."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import kshot

import kshot_viz as kv
from kshot_viz.cli.study.file import read_study
from kshot_viz.cli.study.request import study_inputs
from kshot_viz.cli.study.run import load_tasks
from kshot_viz.errors import KShotError, KShotFileError, KShotKeyError

TEXT = """
methods = ["head_only", "plain"]
regimes = ["few", "many"]
shots = 1
episodes = 2
query = 2
tuning_episodes = 2

[few]
episodes = 1
queries = 1

[grid]
lrs = [0.01]
head_lrs = [0.1]
head_only_lrs = [0.1]
steps = [2, 4]

[[tasks]]
data = "digits"
source = "glyphs"
way = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(TEXT)
    return path


def test_a_file_says_what_is_compared(file):
    asked = read_study(file)
    assert asked.methods == ("head_only", "plain")
    assert asked.regimes == ("few", "many")
    assert (asked.few.episodes, asked.few.queries) == (1, 1)
    assert asked.grid.steps == (2, 4)
    (task,) = asked.tasks
    assert (task.data, task.source, task.shots, task.way, task.query) == (
        "digits", "glyphs", (1,), 3, 2,
    )  # fmt: skip


def test_a_file_may_give_steps_in_units_of_the_features(file):
    file.write_text(TEXT.replace("steps = [2, 4]", "feature_steps = [1, 10]"))
    assert read_study(file).grid.feature_steps == (1, 10)


def test_the_example_in_the_docs_is_read():
    asked = read_study(Path(__file__).parents[2] / "docs" / "letters_and_digits.toml")
    assert [one.data for one in asked.tasks] == ["digits", "glyphs"]


def test_tasks_may_name_data_and_network_as_rows_shall_call_them(tmp_path):
    several = """
    val_share = 0.5
    way = 3
    shots = 1
    [[tasks]]
    data = "digits"
    [[tasks]]
    data = "digits"
    data_name = "swapped digits"
    invert = true
    backbone_name = "glyphnet of swapped images"
    """
    (tmp_path / "own.toml").write_text(several)
    first, second = load_tasks(read_study(tmp_path / "own.toml"))
    assert (first.data.name, first.backbone.name) == ("digits", "glyphnet")
    assert second.name == "swapped digits glyphnet of swapped images"
    assert second.data.digests == first.data.digests
    assert second.backbone.preprocess.invert
    assert {first.val_share, second.val_share} == {0.5}
    network, images = study_inputs(vars(read_study(tmp_path / "own.toml").tasks[1]))
    assert (images.name, network.name) == (second.data.name, second.backbone.name)


@pytest.mark.parametrize(
    ("line", "known"), [('regimes = ["most"]', "many"), ('rules = ["worst"]', "guarded")]
)
def test_an_unknown_regime_or_rule_is_told_before_anything_is_loaded(tmp_path, line, known):
    (tmp_path / "own.toml").write_text(f'{line}\n[[tasks]]\ndata = "missing folder"\n')
    ended = kshot("study", tmp_path / "own.toml", "--out", tmp_path / "out")
    assert ended.code == 2
    assert known in ended.complaint
    assert "missing folder" not in ended.complaint


def test_paths_start_at_the_folder_of_the_file(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "net.safetensors").write_bytes(b"")
    text = '[[tasks]]\ndata = "photos"\nweights = "net.safetensors"\nbackbone = "resnet18"\n'
    (tmp_path / "own.toml").write_text(text)
    (task,) = read_study(tmp_path / "own.toml").tasks
    assert task.data == str(tmp_path / "photos")
    assert task.weights == str(tmp_path / "net.safetensors")


def test_a_path_from_the_present_folder_is_found_from_any_other(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "studies").mkdir()
    file = tmp_path / "studies" / "own.toml"
    file.write_text('[[tasks]]\ndata = "photos"\nsource = "letters"\n')
    monkeypatch.chdir(tmp_path)
    (task,) = read_study(file).tasks
    assert task.data == str(tmp_path / "photos")
    assert task.source_images().name == "letters"


def test_a_folder_called_like_a_built_in_set_is_the_folder(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    (tmp_path / "own.toml").write_text('[[tasks]]\ndata = "./digits"\n')
    monkeypatch.chdir(tmp_path)
    (task,) = read_study(Path("own.toml")).tasks
    assert task.data == str(tmp_path / "digits")


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("methods = [", KShotFileError, "own.toml"),
        ("methods = []", KShotFileError, r"\[\[tasks\]\]"),
        ("[[tasks]]\nway = 3", KShotFileError, "no `data`"),
        ("[[tasks]]\ndata = 'digits'\nshot = 1", KShotKeyError, "shots"),
        ("method = ['plain']\n[[tasks]]\ndata = 'digits'", KShotKeyError, "methods"),
        ("grid = {feature_step = [1]}\n[[tasks]]\ndata = 'digits'", KShotKeyError, "feature_steps"),
        ("grid = {unit = 1}\n[[tasks]]\ndata = 'digits'", KShotKeyError, "unit"),
        ("few = {n = 3}\n[[tasks]]\ndata = 'digits'", KShotKeyError, "episodes"),
        ("few = 3\n[[tasks]]\ndata = 'digits'", KShotFileError, r"below a line \[few\]"),
        ("grid = {others = 3}\n[[tasks]]\ndata = 'digits'", KShotError, "`grid` holds"),
        *(
            (f"{line}\n[[tasks]]\ndata = 'digits'", KShotError, line.split()[0])
            for line in (
                "methods = 5",
                "regimes = 3",
                'rules = "guarded"',
                'rules = [["guarded"]]',
                'groups = "0.1"',
                'seed = "a"',
                "tuning_episodes = 0",
                "own_episodes = 1.5",
                'shots = "a"',
                "val_share = -1",
            )
        ),
        *(
            (f"[[tasks]]\ndata = 'digits'\n{line}", KShotError, line.split()[0])
            for line in (
                'invert = "no"',
                'skip_bad = "no"',
                "source = 3",
                "backbone = 5",
                "size = 0",
                "shots = [0]",
                "name = 1",
            )
        ),
        ("[[tasks]]\ndata = 3", KShotError, "data"),
        ("[[tasks]]\ndata = 'digits'\nbackbone = 'resnet19'", KShotKeyError, "resnet18"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path, text, error, words):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(error, match=words):
        read_study(path)


def test_a_missing_file_is_told(tmp_path):
    ended = kshot("study", tmp_path / "none.toml", "--out", tmp_path / "out")
    assert ended.code == 2
    assert "none.toml" in ended.complaint


@pytest.mark.slow
def test_a_study_leaves_rows_text_and_picture_and_its_rows_come_out_again(file, tmp_path):
    out = tmp_path / "out"
    ended = kshot("study", file, "--out", out, "--workers", 1)
    assert ended.code == 0, ended.err
    assert {"study.json", "study.txt", "rows.parquet", "regret_guarded.png"} <= {
        one.name for one in out.iterdir()
    }
    found = kv.Study.load(out)
    assert str(found) in ended.out
    again = kshot("replay", out / "digits_glyphnet", "--row", 0)
    assert again.code == 0
    assert "identical" in again.out
    whole = kshot("replay", out, "--row", 0)
    assert f"holds a study; name one of its tasks: {out / 'digits_glyphnet'}" in whole.complaint
    (out / "digits_glyphnet" / "request.json").unlink()
    python = kshot("replay", out / "digits_glyphnet", "--row", 0)
    assert "was made in Python" in python.complaint
    file.write_text(file.read_text().replace("digits", "glyphs"))
    other = kshot("study", file, "--out", out, "--workers", 1)
    assert other.code != 0
    assert "holds another study, with digits glyphnet" in other.err

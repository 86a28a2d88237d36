"""``kshot-viz lab`` and ``kshot-viz dashboard`` up to the server, which a browser test starts."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace

import nbformat
import pytest
from command_line import kshot, make_weights

from kshot_viz.cli import servers
from kshot_viz.cli.options import absolute_file
from kshot_viz.cli.requests import TaskRequest
from kshot_viz.cli.servers import (
    APP,
    FIRST_NOTEBOOK,
    JUPYTER,
    TEMPLATE,
    bundled_notebooks,
    copy_notebooks,
    open_dashboard,
    prepare,
    template_path,
    voila_arguments,
)
from kshot_viz.errors import KShotFileError
from kshot_viz.models.inputs.preprocess import RECIPES

REQUEST = TaskRequest(
    folder="pictures",
    backbone="glyphnet",
    weights="DEFAULT",
    preprocess=None,
    size=None,
    shots=(1,),
    way=None,
    query=15,
    episodes=5,
    source=None,
    groups=0.1,
    skip_bad=False,
    seed=0,
)


class Called:
    """Stands in for what runs a server."""

    def __init__(self) -> None:
        self.application = ""
        self.arguments: list[str] = []
        self.path = ""

    def __call__(self, application, arguments):
        self.application, self.arguments = application.__name__, list(arguments)
        self.path = os.environ.get("JUPYTER_PATH", "")
        return 0


@pytest.fixture
def called(monkeypatch):
    made = Called()
    monkeypatch.setattr(servers, "serve", made)
    monkeypatch.setenv("JUPYTER_PATH", "")
    return made


def test_the_server_listens_to_this_machine_only_and_keeps_its_token_off_the_command_line(tmp_path):
    arguments = voila_arguments(tmp_path, port=1234)
    assert "--Voila.ip=127.0.0.1" in arguments
    assert "--Voila.auto_token=True" in arguments
    assert {"--port=1234", "--no-browser"} <= set(arguments)
    assert not any("token=" in word and word != "--Voila.auto_token=True" for word in arguments)


def test_the_template_is_found_beside_those_of_the_user(monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", "mine")
    assert template_path() == f"{JUPYTER}{os.pathsep}mine"
    monkeypatch.delenv("JUPYTER_PATH")
    assert template_path() == str(JUPYTER)


def test_the_template_names_no_address():
    files = list((JUPYTER / "voila" / "templates" / TEMPLATE).iterdir())
    assert {path.name for path in files} == {"conf.json", "index.html.j2"}
    for path in files:
        assert not re.search(r"https?:|//[a-z]", path.read_text("utf-8"))


def test_the_notebook_behind_the_page_is_valid_and_short(tmp_path):
    prepare(REQUEST, tmp_path / "new")
    notebook = nbformat.read(tmp_path / "new" / APP, 4)
    nbformat.validate(notebook)
    assert len(notebook.cells) == 1


def test_the_command_hands_over_the_request(tmp_path, called):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    words = [
        "--backbone",
        "resnet18",
        "--weights",
        "none",
        "--shots",
        1,
        "--shots",
        5,
        "--groups",
        "10",
    ]
    out = tmp_path / "out"
    ended = kshot("dashboard", pictures, *words, "--out", out, "--port", 1234)
    assert ended.code == 0, ended.err
    assert called.application == "LocalVoila"
    assert called.arguments == voila_arguments(out, port=1234)
    assert called.path == str(JUPYTER)
    record = json.loads((out / "dashboard.json").read_text("utf-8"))
    assert (record["backbone"], record["shots"], record["groups"]) == ("resnet18", [1, 5], 10)
    assert record["folder"] == str(pictures)


def test_files_that_are_named_from_here_are_found_from_the_page(tmp_path, called, monkeypatch):
    (tmp_path / "pictures").mkdir()
    make_weights(tmp_path / "net.safetensors")
    (tmp_path / "mine.json").write_text(RECIPES["glyphs"].to_json())
    monkeypatch.chdir(tmp_path)
    words = ["--weights", "net.safetensors", "--preprocess", "mine.json", "--size", 16]
    ended = kshot("dashboard", "pictures", *words, "--out", "out")
    assert ended.code == 0, ended.err
    record = json.loads((tmp_path / "out" / "dashboard.json").read_text("utf-8"))
    assert record["weights"] == str(tmp_path / "net.safetensors")
    assert record["preprocess"] == str(tmp_path / "mine.json")
    assert absolute_file("DEFAULT") == "DEFAULT"
    assert absolute_file(None) is None


def test_what_is_wrong_with_the_network_is_reported_before_anything_starts(tmp_path, called):
    (tmp_path / "pictures").mkdir()
    words = ["--weights", tmp_path / "nowhere.safetensors", "--out", tmp_path / "out"]
    ended = kshot("dashboard", tmp_path / "pictures", *words)
    assert ended.code == 2
    assert "There is no weights file" in ended.complaint
    assert called.arguments == []


def test_a_folder_that_is_not_there_is_named_before_anything_starts(tmp_path, called):
    ended = kshot("dashboard", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert ended.code == 2
    assert "There is no folder" in ended.complaint
    assert called.arguments == []


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_the_page_says_what_is_wrong_with_the_images(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    prepare(replace(REQUEST, folder=str(tmp_path / folder)), tmp_path)
    page = open_dashboard(tmp_path)
    status = page.children[-1]
    assert status.kind == "error"
    assert folder in status.value


def test_the_page_shows_any_other_error_with_its_kind(tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("half a <file>")

    monkeypatch.setattr(servers, "_dashboard", broken)
    prepare(REQUEST, tmp_path)
    status = open_dashboard(tmp_path).children[-1]
    assert "RuntimeError: half a &lt;file&gt;" in status.value


def test_lab_copies_the_notebooks_and_opens_the_first(tmp_path, called):
    done = kshot("lab", "--notebooks", tmp_path / "mine")
    assert done.code == 0
    names = sorted(one.name for one in bundled_notebooks().glob("*.ipynb"))
    assert sorted(one.name for one in (tmp_path / "mine").iterdir()) == names
    assert f"Copied {len(names)} notebooks into" in done.out
    assert called.application == "LabApp"
    assert called.arguments == [str(tmp_path / "mine" / names[0])]


def test_lab_overwrites_nothing(tmp_path, called):
    own = tmp_path / FIRST_NOTEBOOK
    own.write_text("{}")
    assert len(copy_notebooks(tmp_path)) == len(list(bundled_notebooks().glob("*.ipynb"))) - 1
    assert kshot("lab", "--notebooks", tmp_path).out == ""
    assert own.read_text() == "{}"


def test_lab_in_a_clone_copies_nothing():
    assert copy_notebooks(bundled_notebooks()) == []


def test_lab_says_where_it_cannot_write(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(KShotFileError, match="cannot be written"):
        copy_notebooks(tmp_path / "file")
    assert kshot("lab", "--notebooks", tmp_path / "file").code == 2


def test_an_installation_without_notebooks_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(servers, "bundled_notebooks", lambda: tmp_path / "none")
    with pytest.raises(KShotFileError, match="has no notebooks"):
        copy_notebooks(tmp_path)

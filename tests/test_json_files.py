from __future__ import annotations

import os

import pytest

from kshot_viz.errors import KShotFileError
from kshot_viz.files import plain_name, read_json, whole_file, write_json


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "rows.txt"
    target.write_text("old")
    with whole_file(target) as part:
        part.write_text("ne")
        assert target.read_text() == "old"
        part.write_text("new")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_the_disk_has_the_content_before_the_name(tmp_path, monkeypatch):
    seen = []
    target = tmp_path / "rows.txt"
    monkeypatch.setattr(
        os, "fsync", lambda file: seen.append((os.fstat(file).st_size, target.exists()))
    )
    write_json(target, [1, 2])
    assert seen == [(6, False)]


def test_a_failure_of_any_kind_leaves_the_old_file_alone(tmp_path):
    target = tmp_path / "rows.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(target) as part, part.open("w") as file:
        file.writelines("half" if i < 3 else 1 / 0 for i in range(9))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    for called, name in ((None, "rows.txt"), ("the cache", "the cache")):
        with (
            pytest.raises(KShotFileError, match=f"{name} cannot be written: No such file"),
            whole_file(tmp_path / "no folder" / "rows.txt", called=called) as part,
        ):
            part.write_text("new")


def test_json_is_read_as_it_was_written(tmp_path):
    path = write_json(tmp_path / "record.json", {"a": [1, 2.5, None], "b": "é"})
    assert read_json(path) == {"a": [1, 2.5, None], "b": "é"}


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\x80\xff"])
def test_json_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "record.json"
    path.write_bytes(content)
    for wrong in (path, tmp_path, tmp_path / "none.json"):
        with pytest.raises(KShotFileError, match=f"{wrong.name} cannot be read"):
            read_json(wrong)
    with pytest.raises(KShotFileError, match=r"^the record cannot be read"):
        read_json(path, called="the record")


def test_json_nested_without_end_is_a_file_error(tmp_path):
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(KShotFileError, match=r"deep\.json cannot be read"):
        read_json(tmp_path / "deep.json")


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "/a", "a/b", "..\\a"])
def test_a_name_that_leaves_its_folder_is_no_plain_name(name):
    assert not plain_name(name)
    assert plain_name("study_0")
    assert plain_name("weights.safetensors")

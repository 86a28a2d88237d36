from __future__ import annotations

import pytest

from kshot_viz.errors import KShotFileError
from kshot_viz.files import whole_file


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "rows.txt"
    target.write_text("old")
    with whole_file(target) as part:
        part.write_text("ne")
        assert target.read_text() == "old"
        part.write_text("new")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_of_any_kind_leaves_the_old_file_alone(tmp_path):
    target = tmp_path / "rows.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(target) as part, part.open("w") as file:
        file.writelines("half" if i < 3 else 1 / 0 for i in range(9))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    for called, name in ((None, "rows.txt"), ("the cache", "the cache")):
        with (
            pytest.raises(KShotFileError, match=f"{name} cannot be written: No such file"),
            whole_file(tmp_path / "no folder" / "rows.txt", called=called) as part,
        ):
            part.write_text("new")

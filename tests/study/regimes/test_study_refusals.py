"""What a study refuses, and what it says then."""

from __future__ import annotations

import pytest
from networks import toy_data
from small_study import tasks

import kshot_viz as kv
from kshot_viz.errors import KShotError, KShotFileError, KShotValueError
from kshot_viz.study.regimes.choices import Few


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: kv.study([]), "empty"),
        (lambda: kv.study([3]), "StudyTask"),
        (lambda: kv.study(tasks(), regimes=["most"]), "many"),
        (lambda: kv.study(tasks(), rules=["worst"]), "`rules` must be one of 'guarded'"),
        (lambda: kv.study([tasks()[0], tasks()[0]]), "distinct names"),
        (lambda: kv.study([tasks()[0], tasks(name="other")[0]]), "another name"),
        (lambda: kv.study(tasks(), regimes=[]), "Nothing can be chosen"),
        (lambda: kv.study(tasks(), rules=[]), "Nothing can be chosen"),
        (lambda: kv.study(tasks(shots=(1,))[:1], regimes=["blind", "own"]), "on other images"),
        (lambda: tasks(shots=(1, 1)), "shots"),
        (lambda: tasks(shots=()), "shots"),
        (lambda: Few(episodes=0), "episodes"),
        (lambda: kv.StudyTask("glyphnet", toy_data(3, 9)), "Backbone"),
    ],
)
def test_bad_input_is_told(call, words):
    with pytest.raises(KShotError, match=words):
        call()


def test_several_shots_belong_to_one_task():
    with pytest.raises(KShotValueError, match="several numbers of shots"):
        kv.study([tasks(shots=(1,))[0], tasks(shots=(2,))[0]])


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(KShotFileError, match="cannot be written"):
        kv.study(tasks(), out=tmp_path / "taken" / "below")


def test_a_folder_with_something_else_stays_as_it_is(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(KShotFileError, match="holds something else and no study"):
        kv.study(tasks(), out=tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.txt"]

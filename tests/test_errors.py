"""Errors are caught by what they are, and say what to do next."""

from __future__ import annotations

import pickle

import pytest

from kshot_viz.errors import (
    KShotError,
    KShotFileError,
    KShotKeyError,
    KShotValueError,
    unknown_name,
)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [(KShotValueError, ValueError), (KShotKeyError, KeyError), (KShotFileError, ValueError)],
)
def test_every_error_is_ours_and_the_built_in_one(kind, builtin):
    for caught in (KShotError, builtin):
        with pytest.raises(caught):
            raise kind("a sentence")


def test_a_key_error_prints_its_sentence():
    assert str(KShotKeyError("no layer 'a'")) == "no layer 'a'"
    assert str(KShotKeyError()) == ""


@pytest.mark.parametrize("kind", [KShotError, KShotValueError, KShotKeyError, KShotFileError])
def test_errors_come_back_from_another_process(kind):
    again = pickle.loads(pickle.dumps(kind("it's here")))
    assert type(again) is kind
    assert str(again) == "it's here"


def test_an_unknown_name_lists_the_allowed_ones_and_the_nearest():
    error = unknown_name("method", "groupd", ["plain", "grouped"])
    assert isinstance(error, KShotKeyError)
    assert str(error) == (
        "`method` must be one of 'plain', 'grouped'; not 'groupd'. Did you mean 'grouped'?"
    )


def test_nothing_is_guessed_where_nothing_is_near():
    assert str(unknown_name("tune", "zzz", ["validation", None])) == (
        "`tune` must be one of 'validation', 'None'; not 'zzz'."
    )


@pytest.mark.parametrize(("count", "ending"), [(32, "'n31'"), (33, "'n31' and 1 more")])
def test_a_long_list_is_cut(count, ending):
    message = str(unknown_name("layer", "x", [f"n{i}" for i in range(count)]))
    assert f"{ending}; not 'x'." in message

"""Arguments are checked in one manner."""

from __future__ import annotations

import numpy as np
import pytest

from kshot_viz.checks import check, checked, flag, instance, names, number, optional, shown, whole
from kshot_viz.errors import KShotValueError


@checked(n=whole(1), share=number(0, above=True), word=optional(instance(str)), on=flag)
def call(n, *, share=0.5, word=None, on=False):
    """Return what was given."""
    return n, share, word, on


def test_what_is_right_passes_and_defaults_are_left_alone():
    assert call(2) == (2, 0.5, None, False)
    assert call(np.int64(2), share=np.float32(1), word="a", on=True)[1:] == (1.0, "a", True)
    assert call.__doc__ == "Return what was given."


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n": 0}, "`n` must be an integer >= 1; not 0."),
        ({"n": True}, "`n` must be an integer >= 1; not True."),
        ({"n": "2"}, "`n` must be an integer >= 1; not '2'."),
        ({"n": 1, "share": 0}, "`share` must be a finite number > 0; not 0."),
        ({"n": 1, "share": float("nan")}, "`share` must be a finite number > 0; not nan."),
        ({"n": 1, "word": 3}, "`word` must be None or of type str; not 3."),
        ({"n": 1, "on": 1}, "`on` must be True or False; not 1."),
        ({"n": np.int64(-1)}, f"`n` must be an integer >= 1; not {np.int64(-1)!r}."),
        ({"n": np.True_}, f"`n` must be an integer >= 1; not {np.True_!r}."),
        ({"n": 1, "on": np.True_}, f"`on` must be True or False; not {np.True_!r}."),
        (
            {"n": 10**5000},
            "`n` must be at most 9,223,372,036,854,775,807; not an integer of about 5,001 digits.",
        ),
        (
            {"n": -(10**5000)},
            "`n` must be an integer >= 1; not an integer of about 5,001 digits.",
        ),
        ({"n": [1]}, "`n` must be an integer >= 1; not of type list."),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(given, message):
    with pytest.raises(KShotValueError) as caught:
        call(**given)
    assert str(caught.value) == message


def test_a_wrong_call_is_pythons_own_error():
    with pytest.raises(TypeError, match=r"call\(\) got an unexpected keyword argument 'm'"):
        call(1, m=2)


def test_a_list_of_names_is_no_text():
    assert names(["a", "b"]) == ""
    assert names([1]) == names(b"a") == "a list of names"
    assert names("ab") == "a list of names (wrap it: ['ab'])"


def test_a_cure_is_told_and_long_values_are_cut():
    with pytest.raises(KShotValueError, match=r"of type int \(count it\); not of type dict"):
        check("x", {}, instance(int, cure="count it"))
    assert len(shown("a" * 500)) < 80

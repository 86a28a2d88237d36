"""What is wrong with a text is said at this text, with the word and the nearest known one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kshot_viz.errors import KShotError
from kshot_viz.words.letters.parts import LetterParts
from kshot_viz.words.tokens import Vocabulary
from kshot_viz.words.troubles import find_troubles
from kshot_viz.words.words import checked_descriptions

WORDS = Vocabulary(("a", "above", "acute", "c", "cedilla", "latin", "small", "with"))
GOOD = ("á", "latin small a with acute")


def trouble(*rows):
    return find_troubles([GOOD, *rows], WORDS)[len(rows)]


def test_good_texts_have_none():
    assert find_troubles([GOOD, ("c", "Latin  SMALL, c.")], WORDS) == {}
    assert find_troubles([], WORDS) == {}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("", "latin small c"), "needs a name"),
        (("á", "latin small c"), "name 'á' already"),
        (("c", " - "), "description is needed"),
        (("c", "acute a with small latin"), "the words of 'á'"),
        (("c", "latin small c with cedila "), "'cedila' (nearest known: 'cedilla') is no known"),
    ],
)
def test_each_is_said_at_its_text(row, said):
    found = find_troubles([GOOD, row], WORDS)
    assert list(found) == [1]
    assert said in found[1].text


def test_unknown_words_can_be_repaired():
    found = trouble(("c", "LATIN smal c, with cedila."))
    assert found.repaired == "LATIN small c, with cedilla."
    assert "'smal' (nearest known: 'small'), 'cedila'" in found.text
    assert "are no known words" in found.text
    assert not found.began


def test_a_word_that_is_being_typed_is_no_error_and_has_its_continuations():
    found = trouble(("c", "latin small c with ac"))
    assert found.began
    assert found.text == "1 known word begins with 'ac': acute"
    assert found.repaired == "latin small c with acute"
    # A space ends the word.
    assert not trouble(("c", "latin small c with ac ")).began


@given(
    st.dictionaries(
        st.sampled_from(["x", "y", "z"]), st.sampled_from([*WORDS.words, "b", "", "a c", "c a"])
    )
)
def test_texts_without_trouble_are_exactly_those_that_can_be_used(texts):
    found = find_troubles(list(texts.items()), WORDS)
    try:
        WORDS.encode(checked_descriptions(texts))
    except KShotError:
        assert found or len(texts) < 2
    else:
        assert not found


def test_letters_are_composed_of_known_words():
    parts = LetterParts(WORDS)
    assert parts.bases == ("latin small a", "latin small c")
    assert parts.marks == ("acute", "cedilla")
    assert parts.compose("latin small a", "acute") == ("á", "latin small a with acute")
    assert parts.compose("latin small a", "cedilla") == ("", "latin small a with cedilla")
    assert parts.compose("latin small c") == ("c", "latin small c")

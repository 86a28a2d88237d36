from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.words import load_words
from kshot_viz.words.tokens import PADDING, Vocabulary, split_words


def test_words_are_separated_by_all_that_is_no_letter_and_no_digit():
    assert split_words("A big, GREY-eyed  dog_2 (ñandú)!") == [
        "a", "big", "grey", "eyed", "dog", "2", "ñandú"
    ]  # fmt: skip
    assert split_words(" ...") == []


@given(st.lists(st.lists(st.sampled_from("abcde"), min_size=1), min_size=1, max_size=5))
def test_encoding_keeps_words_and_pads_the_rest(rows):
    texts = {str(i): " ".join(row) for i, row in enumerate(rows)}
    vocabulary = Vocabulary.of(texts.values())
    tokens = vocabulary.encode(texts)
    assert tokens.shape == (len(rows), max(map(len, rows)))
    for row, numbers in zip(rows, tokens.tolist(), strict=True):
        found = [vocabulary.words[number - 1] for number in numbers if number != PADDING]
        assert found == row
        assert numbers[len(row) :] == [PADDING] * (len(numbers) - len(row))


def test_unknown_words_are_named_with_the_nearest_known():
    vocabulary = Vocabulary.of(["a circle with a tail", "a square"])
    with pytest.raises(KShotKeyError) as caught:
        vocabulary.encode({"one": "a circel", "two": "a square tale"})
    message = str(caught.value)
    assert "'circel' of 'one' (nearest known: 'circle')" in message
    assert "'tale' of 'two' (nearest known: 'tail')" in message


def test_words_that_are_left_out_leave_padding():
    vocabulary = Vocabulary.of(["one two"])
    assert vocabulary.encode_known(["two three one", "four"]).tolist() == [[2, 1], [0, 0]]


@pytest.mark.parametrize("words", [(), ("a", "a")])
def test_a_vocabulary_is_of_distinct_words(words):
    with pytest.raises(KShotValueError, match="distinct"):
        Vocabulary(words)


def test_whole_unicode_names_may_be_pasted():
    known = load_words("glyphnet-words")
    pasted = {"a": "LATIN SMALL LETTER A WITH GRAVE", "b": "LATIN SMALL LETTER B"}
    short = {"a": "latin small a with grave", "b": "latin small b"}
    assert torch.equal(known.prototypes(pasted), known.prototypes(short))
    # Where it says something, it is a word like others.
    assert Vocabulary(("letter", "opener")).split("Letter opener") == ["letter", "opener"]

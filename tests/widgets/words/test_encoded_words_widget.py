"""WordsToNetwork with words that read whole texts: no word is unknown to them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from described import LETTERS, PATIENCE, TEXTS, backbone, letters, shown
from small_words import TINY
from trigrams import trigrams

from kshot_viz.errors import KShotError
from kshot_viz.widgets.words.predictions import evidence_html
from kshot_viz.words import Words, fit_words, network_from_words, word_evidence


@cache
def read() -> Words:
    parts = {"train": list(LETTERS)}
    given = {"recipe": TINY, "parts": parts, "encoder": trigrams, "progress": False}
    return fit_words(backbone(), letters()[0], TEXTS, **given)


@pytest.fixture
def made():
    found = shown(words=read())
    yield found
    found.close()


def test_any_word_can_be_typed(made):
    texts = TEXTS | {"a": "zebra <b>crossing</b>"}
    made.rows.rows[0].text.value = texts["a"]
    assert made.wait(PATIENCE)
    assert made.status.kind == "idle"
    assert made.descriptions == texts
    expected = network_from_words(backbone(), texts, read())
    assert torch.equal(made.network.module.head.linear.weight, expected.module.head.linear.weight)
    frame = word_evidence(backbone(), letters()[0], texts, read())
    np.testing.assert_allclose(made.word_frame()["evidence"], frame["without"], atol=1e-4)
    said = made.rows.rows[0].said.value
    assert said.count('class="kv-word ') == 4
    assert "<b>crossing" not in said
    assert made.rows.rows[0].repair.layout.display == "none"


def test_what_cannot_be_read_is_still_told(made):
    made.rows.rows[0].text.value = TEXTS["d"].upper()
    assert made.wait(PATIENCE)
    said = made.rows.rows[1].said.value
    assert "nothing tells the two classes from each other." in said
    assert "order" not in said
    made.rows.rows[0].text.value = "d latin small"
    assert made.wait(PATIENCE)
    assert made.status.kind == "idle"


def test_there_is_only_the_evidence_that_needs_no_embedding(made):
    assert [value for _, value in made.controls.evidence.options] == ["without"]
    with pytest.raises(KShotError, match=r"texts read by 'trigrams\.trigrams'"):
        made.evidence = "gradient"
    with pytest.raises(KShotError, match="'without'"):
        shown(words=read(), evidence="gradient")


def test_the_words_trained_on_are_listed(made):
    assert set(read().vocabulary.words) == {*LETTERS, "latin", "small"}
    listed = [one.value for one in made.children[-1].children[0].children if hasattr(one, "value")]
    assert any("All words are read; the 8 words trained on" in one for one in listed)


def test_letters_of_unicode_names_are_shaded_at_their_words():
    found = shown(TEXTS | {"a": "latin small letter a"}, words="glyphnet-words")
    shaded = evidence_html(found.outcome, 0)
    assert shaded.count("kv-word ") == 3
    assert ">letter<" not in shaded
    found.close()

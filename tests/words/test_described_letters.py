from __future__ import annotations

import unicodedata

import numpy as np
import pytest

import kshot_viz as kv
from kshot_viz.data.glyphs import letters as module
from kshot_viz.data.glyphs.bank import first_drawings, script_of
from kshot_viz.data.glyphs.letters import SCRIPTS, TWIN_COSINE, is_described_letter, letter_bank
from kshot_viz.errors import KShotValueError
from kshot_viz.words.descriptions import describe
from kshot_viz.words.letters.split import PARTS, split_letters


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return describe(kv.load_dataset("letters", per_class=1))


def test_letters_with_marks_of_eight_scripts_and_no_ligatures():
    points = letter_bank().points
    assert {script_of(point) for point in points} == set(SCRIPTS)
    names = [unicodedata.name(chr(point)) for point in points]
    assert len(names) > 1900
    assert "LATIN SMALL LETTER G WITH CIRCUMFLEX" in names
    assert not any("LIGATURE" in name for name in names)
    assert not is_described_letter(ord("ʰ"))
    assert not is_described_letter(ord("ﬁ"))


def test_no_two_letters_look_the_same():
    bank = letter_bank()
    pairs = {
        (bank.points[letter], face): drawing
        for letter, face, drawing in zip(bank.letters, bank.faces, bank.drawings, strict=True)
    }
    _, drawings = first_drawings(pairs)
    small = drawings.reshape(-1, 28, 2, 28, 2).astype(float).mean((2, 4)).reshape(len(drawings), -1)
    small /= np.linalg.norm(small, axis=1, keepdims=True)
    cosines = small @ small.T
    np.fill_diagonal(cosines, 0)
    assert cosines.max() <= TWIN_COSINE


def test_images_are_repeatable_and_counted(monkeypatch):
    first = module.letter_bank()
    some = type(first)(
        first.drawings[first.letters < 3],
        first.letters[first.letters < 3],
        first.faces[first.letters < 3],
        first.points[:3],
        first.face_names,
        first.face_hashes,
    )
    monkeypatch.setattr(module, "letter_bank", lambda: some)
    one, again, other = (kv.load_dataset("letters", per_class=4, seed=seed) for seed in (0, 0, 1))
    assert set(one.counts().values()) == {4}
    assert one.fingerprint == again.fingerprint != other.fingerprint
    assert np.array_equal(one.images, again.images)
    with pytest.raises(KShotValueError, match="per_class"):
        kv.load_dataset("letters", per_class=0)


def test_every_letter_has_a_description_of_its_own(texts):
    assert len(set(texts.values())) == len(texts)
    assert texts["ĝ"] == "latin small g with circumflex"


def test_the_split_is_one_and_each_letter_is_in_one_part(texts):
    parts = split_letters(texts)
    assert tuple(parts) == PARTS
    assert sum(map(len, parts.values())) == len(texts)
    assert split_letters(dict(reversed(list(texts.items()))))["train"] == parts["train"][::-1]
    assert min(map(len, parts.values())) >= 50


def test_combinations_are_new_but_their_two_halves_are_not(texts):
    parts = split_letters(texts)
    halves = [texts[one].partition(" with ")[::2] for one in parts["train"]]
    bases, marks = {base for base, _ in halves}, {mark for _, mark in halves}
    for part in ("validation", "combinations"):
        for letter in parts[part]:
            base, mark = texts[letter].partition(" with ")[::2]
            assert mark
            assert base in bases
            assert mark in marks
            assert (base, mark) not in halves


def test_unseen_bases_and_scripts_are_not_trained_on(texts):
    parts = split_letters(texts)
    trained = [texts[one].split() for one in parts["train"]]
    assert {"é", "S", "ķ", "ή"} <= set(parts["bases"])
    assert not any({"armenian", "georgian", "tifinagh"} & set(words) for words in trained)
    assert not any("eta" in words for words in trained)


def test_capital_and_small_and_names_of_the_same_words_are_in_one_part(texts):
    parts = split_letters(texts)
    part_of = {letter: part for part, letters in parts.items() for letter in letters}
    together: dict[frozenset[str], set[str]] = {}
    for letter, text in texts.items():
        if " with " in text and part_of[letter] in ("train", "validation", "combinations"):
            words = frozenset(text.split()) - {"capital", "small"}
            together.setdefault(words, set()).add(part_of[letter])
    assert all(len(found) == 1 for found in together.values())
    assert part_of["Ś"] == part_of["ś"]

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from kshot_viz.data.glyphs import bank as letters
from kshot_viz.data.glyphs.bank import (
    GlyphBank,
    _draw,
    glyph_bank,
    is_plain_letter,
    read_homoglyphs,
    script_of,
    without_twins,
)
from kshot_viz.data.glyphs.fonts import FACES, find_faces
from kshot_viz.data.glyphs.jitter import NO_JITTER, Jitter, jitter
from kshot_viz.data.glyphs.load_glyphs import GlyphStream, is_held_out, load_glyphs, pick_faces
from kshot_viz.data.images import to_bytes
from kshot_viz.errors import KShotFileError, KShotKeyError, KShotValueError
from kshot_viz.seeds import numpy_rng, torch_rng

SMALL = {"per_class": 3, "scripts": ["hebrew", "greek"]}


# --- letters -------------------------------------------------------------------------------------


def test_no_class_has_a_numeric_value_or_is_listed() -> None:
    listed = read_homoglyphs()
    for point in glyph_bank().points:
        assert unicodedata.numeric(chr(point), None) is None
        assert unicodedata.category(chr(point)).startswith("L")
        assert point not in listed
    for look_alike in "OolISZЗз":
        assert ord(look_alike) in listed


def test_homoglyphs_can_be_included() -> None:
    more = set(glyph_bank("include").points) - set(glyph_bank().points)
    assert more
    assert more <= set(read_homoglyphs())
    assert {ord("O"), ord("S")} <= more


def test_every_listed_homoglyph_has_a_digit_and_its_name() -> None:
    lines = (letters.Path(letters.__file__).with_name("homoglyphs.txt")).read_text("utf-8")
    for line in lines.splitlines():
        if line.startswith("U+"):
            point, digit, name = line.split(maxsplit=2)
            assert unicodedata.name(chr(int(point[2:], 16))) == name
            assert digit in "0123456789"


def test_no_kept_letter_draws_like_a_digit() -> None:
    """The list is complete enough: in no face does a class come close to a digit of that face."""
    bank = glyph_bank()
    for number, face in enumerate(find_faces()):
        font = ImageFont.truetype(face.path, 48, layout_engine=ImageFont.Layout.BASIC)
        drawn = [_draw(font, digit) for digit in "0123456789"]
        digits = np.stack([d for d in drawn if d is not None])
        mine = bank.drawings[bank.faces == number]
        both = letters._cosines(np.concatenate([digits, mine]))
        assert both[:10, 10:].max() < 0.985


def test_accents_and_composed_letters_are_not_plain() -> None:
    assert [is_plain_letter(ord(c)) for c in "aΔ" + "éªŀ5Ⅷ½ʰ"] == [True] * 2 + [False] * 7


def test_scripts() -> None:
    assert {script_of(p) for p in glyph_bank("exclude", ("hebrew", "greek")).points} == {
        "hebrew",
        "greek",
    }
    with pytest.raises(KShotKeyError, match="'hebrew'"):
        glyph_bank("exclude", ("klingon",))
    with pytest.raises(KShotValueError, match="homoglyphs"):
        glyph_bank("maybe")


@pytest.mark.parametrize("line", ["004F 0 X", "U+004F", "U+004F x LATIN"])
def test_a_broken_list_names_the_line(
    line: str, tmp_path: letters.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "homoglyphs.txt").write_text(f"# x\n{line}\n")
    monkeypatch.setattr(letters, "__file__", str(tmp_path / "letters.py"))
    with pytest.raises(KShotFileError, match="line 2"):
        read_homoglyphs.__wrapped__()


def test_twins_lose_against_the_first_and_the_listed() -> None:
    a, b = np.zeros((2, 8, 8), np.uint8)
    a[:4], b[4:] = 255, 255
    drawings = np.stack([a, b, a, b])
    assert without_twins([1, 2, 3, 4], drawings, []) == [1, 2]
    assert without_twins([1, 2, 3, 4], drawings, [3]) == [2, 3]


def test_same_letter_of_two_scripts_is_one_class() -> None:
    points = glyph_bank().points
    assert ord("A") in points
    assert 0x0391 not in points  # Greek Alpha
    assert 0x0410 not in points  # Cyrillic A


# --- fonts and drawings --------------------------------------------------------------------------


def test_code_points_agree_with_a_font_library() -> None:
    ttlib = pytest.importorskip("fontTools.ttLib")
    for face in find_faces():
        with ttlib.TTFont(face.path) as font:
            theirs = set(font.getBestCmap())
        stop = 0x80 if face.name.startswith("cm") else 0x110000
        assert face.code_points == {p for p in theirs if p < stop}


def test_faces_have_hashes() -> None:
    found = [face.name for face in find_faces()]
    # matplotlib 3.10 comes without one of them.
    assert found == [name for name in FACES if name in found]
    assert set(FACES) - set(found) <= {"cmti10"}
    assert all(len(f.sha256) == 64 for f in find_faces())


def test_ink_fills_the_box() -> None:
    bank = glyph_bank("exclude", ("hebrew",))
    for drawing in bank.drawings:
        left, top, right, bottom = Image.fromarray(drawing).getbbox()
        assert max(right - left, bottom - top) == 40
        assert abs(left + right - 56) <= 1
        assert abs(top + bottom - 56) <= 1


# --- variation -----------------------------------------------------------------------------------


@pytest.fixture
def bank() -> GlyphBank:
    return glyph_bank("exclude", ("hebrew", "greek"))


STRONG = Jitter(rotate=15, coarse=0.5, blur=1.0, contrast=0.5, stroke=1.2)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(1, 30))
def test_variation_is_deterministic_and_in_range(seed: int, n: int) -> None:
    drawings = glyph_bank("exclude", ("hebrew", "greek")).drawings[:n]
    images = jitter(drawings, torch_rng(seed), STRONG)
    assert images.shape == (n, 1, 28, 28)
    assert 0 <= float(images.min()) <= float(images.max()) <= 1
    assert float(images.amax(dim=(1, 2, 3)).min()) > 0
    assert torch.equal(images, jitter(drawings, torch_rng(seed), STRONG))


def test_no_jitter_is_plain_shrinking(bank: GlyphBank) -> None:
    images = jitter(bank.drawings, torch_rng(0), NO_JITTER)[:, 0]
    blocks = torch.from_numpy(bank.drawings).float().view(-1, 28, 2, 28, 2).mean(dim=(2, 4))
    expected = blocks / blocks.amax(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(images, expected, atol=1e-5, rtol=0)


def test_stroke_changes_the_amount_of_ink(bank: GlyphBank) -> None:
    plain = jitter(bank.drawings, torch_rng(0), NO_JITTER).mean(dim=(1, 2, 3))
    bold = Jitter(affine=0, shift=0, elastic=0, stroke=1.0)
    change = jitter(bank.drawings, torch_rng(0), bold).mean(dim=(1, 2, 3)) / plain
    assert float(change.max()) > 1.2
    assert float(change.min()) < 0.9


def test_bad_strength_is_an_error() -> None:
    with pytest.raises(KShotValueError, match="`blur`"):
        Jitter(blur=-1)


def test_bytes_round_to_the_nearest() -> None:
    assert to_bytes(torch.tensor([[[[0.0, 0.5, 1.0]]]])).ravel().tolist() == [0, 128, 255]


# --- the data set --------------------------------------------------------------------------------


def test_same_seed_same_glyphs() -> None:
    one, two, other = load_glyphs(**SMALL), load_glyphs(**SMALL), load_glyphs(**SMALL, seed=1)
    np.testing.assert_array_equal(one.images, two.images)
    assert one.fingerprint == two.fingerprint != other.fingerprint
    assert one.images.shape == (3 * one.n_classes, 28, 28, 1)
    assert set(one.counts().values()) == {3}
    assert len(one.notes["font DejaVuSans"]) == 64


def test_the_fingerprint_names_the_recipe() -> None:
    prints = {
        load_glyphs(**SMALL).fingerprint,
        load_glyphs(**SMALL, how=STRONG).fingerprint,
        load_glyphs(**SMALL, homoglyphs="include").fingerprint,
        load_glyphs(per_class=2, scripts=["hebrew", "greek"]).fingerprint,
    }
    assert len(prints) == 4


def test_faces_take_turns(bank: GlyphBank) -> None:
    rows = pick_faces(bank, 4, numpy_rng(0))
    for letter in range(len(bank.points)):
        mine = rows[bank.letters[rows] == letter]
        available = int((bank.letters == letter).sum())
        assert len(mine) == 4
        assert len(set(mine.tolist())) == min(4, available)


def test_per_class_must_be_positive() -> None:
    with pytest.raises(KShotValueError, match="per_class"):
        load_glyphs(per_class=0)


# --- the stream ----------------------------------------------------------------------------------


def test_stream_never_draws_held_out_letters(bank: GlyphBank) -> None:
    stream = GlyphStream(bank, NO_JITTER, seed=0)
    assert 0 < len(stream.points) < len(bank.points)
    assert not any(is_held_out(p) for p in stream.points)
    images, targets = stream.batch(0, 64)
    plain = jitter(bank.drawings, torch_rng(0), NO_JITTER)
    for image, target in zip(images, targets.tolist(), strict=True):
        match = (plain - image).abs().amax(dim=(1, 2, 3)) < 1e-6
        found = {bank.points[i] for i in bank.letters[match.numpy()].tolist()}
        assert stream.points[target] in found


def test_batches_depend_on_seed_and_step_alone(bank: GlyphBank) -> None:
    stream, again = GlyphStream(bank, Jitter(), 0), GlyphStream(bank, Jitter(), 0)
    stream.batch(0, 8)
    assert torch.equal(stream.batch(5, 8)[0], again.batch(5, 8)[0])
    assert not torch.equal(stream.batch(5, 8)[0], stream.batch(6, 8)[0])

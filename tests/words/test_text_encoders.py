"""Texts read by a frozen encoder, here a toy one; learned words stay as they were."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from mutate import mutated
from small_words import TEXTS, fitted, network, pictures, small_words
from trigrams import DIMENSION, trigram_words, trigrams

from kshot_viz.errors import KShotError, KShotFileError, KShotKeyError, KShotValueError
from kshot_viz.words import (
    HeadFromWords,
    load_words,
    network_from_words,
    network_from_words_and_images,
    word_evidence,
)
from kshot_viz.words.evidence.word_evidence import measured
from kshot_viz.words.frozen.open_vocabulary import OpenVocabulary
from kshot_viz.words.preview import Preview, Settings

NEW = {"one": "a zebra's stripes", "two": "ring with a dot"}


def logits(backbone, data):
    with torch.no_grad():
        return backbone.module(backbone.prepare(data.images))


# ---- learned words -----------------------------------------------------------------------------


def test_the_bundled_words_give_the_prototypes_they_always_gave():
    texts = {"a": "latin small a with acute", "b": "greek capital omega", "c": "latin small c"}
    found = load_words("glyphnet-words").prototypes(texts)[:, :4]
    expected = [
        [0.0272174, -0.0375463, 0.0922105, -0.5390124],
        [0.8510017, 1.1971142, 1.3740733, -0.2498382],
        [0.5065907, -0.4335043, 0.5321407, 0.1830261],
    ]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=1e-4)


def test_learned_words_are_trained_as_without_frozen_encoders():
    words = fitted()
    weights = words.encoder.state_dict()
    sums = {
        "tokens.embedding.weight": 6.24280,
        "tokens.attention.weight": -0.45843,
        "context.layer.linear1.weight": 2.15197,
        "head.mlp.3.weight": -3.17676,
    }
    for name, expected in sums.items():
        assert float(weights[name].double().sum()) == pytest.approx(expected, abs=1e-3)
    assert set(words.record) == {
        *("backbone", "data", "seed", "recipe", "versions", "validation"),
        "prior_count",
    }


# ---- training and networks ---------------------------------------------------------------------


def test_every_word_is_read():
    words = trigram_words()
    assert words.record["encoder"] == {
        "name": "trigrams.trigrams",
        "digest": words.record["encoder"]["digest"],
        "dimension": DIMENSION,
    }
    assert "texts read by 'trigrams.trigrams'" in repr(words)
    made = network_from_words(network(), NEW, words)
    assert made.notes["classes"] == ["one", "two"]
    assert torch.isfinite(logits(made, pictures())).all()
    both = network_from_words_and_images(network(), TEXTS, pictures(), words)
    assert logits(both, pictures()).argmax(1).numpy().shape == pictures().targets.shape


def test_the_scale_of_the_vectors_does_not_matter():
    def larger(texts):
        return 1000 * trigrams(texts) + 5000

    first, second = (fitted(encoder=one).prototypes(TEXTS) for one in (trigrams, larger))
    torch.testing.assert_close(first, second, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("adapt", ["scale_shift", "low_rank"])
def test_layers_can_be_changed_by_texts(adapt):
    words = trigram_words(adapt)
    plain, changed = (network_from_words(network(), NEW, words, adapt=one) for one in (False, True))
    assert (logits(plain, pictures()) - logits(changed, pictures())).abs().max() > 1e-5


def test_the_same_call_goes_on_and_another_encoder_is_another_training(tmp_path):
    first = fitted(encoder=trigrams, out=tmp_path)
    again = fitted(encoder=trigrams, out=tmp_path)
    assert torch.equal(first.prototypes(TEXTS), again.prototypes(TEXTS))
    for other in (None, lambda texts: -trigrams(texts)):
        with pytest.raises(KShotValueError, match="encoder"):
            fitted(encoder=other, out=tmp_path)


def test_word_order_tells_classes_from_each_other():
    words = trigram_words()
    found = words.prototypes({"a": "spot above corner", "b": "corner above spot"})
    assert not torch.equal(found[0], found[1])
    with pytest.raises(KShotValueError, match=r"the same words: .* each other\.$"):
        words.prototypes({"a": "spot above corner", "b": "Spot above, corner!"})


def test_an_edit_encodes_only_what_it_changed():
    asked = []

    def encoder(texts):
        asked.extend(texts)
        return trigrams(texts)

    words = fitted(encoder=encoder)
    preview = Preview(network(), words, pictures())
    preview.outcome(TEXTS, Settings())
    asked.clear()
    preview.outcome(TEXTS | {"c0": "bright edge"}, Settings())
    assert sorted(asked) == ["bright", "bright edge", "edge"]


def test_vectors_of_many_texts_are_kept_only_so_far(monkeypatch):
    from kshot_viz.words.frozen import open_vocabulary

    monkeypatch.setattr(open_vocabulary, "_KEPT", 3)
    reader = OpenVocabulary((), trigram_words().vocabulary.encoder)
    texts = [f"text {i}" for i in range(7)]
    expected = torch.tensor(trigrams(texts), dtype=torch.float32)
    torch.testing.assert_close(reader.encode_known(texts), expected)
    assert len(reader._kept) == 3
    torch.testing.assert_close(reader.encode_known([texts[0], texts[6]]), expected[[0, 6]])


# ---- evidence ----------------------------------------------------------------------------------


def test_leaving_a_word_out_is_the_text_without_it():
    words, data = trigram_words(), pictures()
    frame = word_evidence(network(), data, TEXTS, words)
    assert list(frame.columns) == ["class", "position", "token", "without"]
    for name, rows in frame.groupby("class"):
        assert " ".join(rows["token"]) == TEXTS[name]
    row = frame[(frame["class"] == "c4") & (frame["token"] == "lower")].iloc[0]

    def score(texts):
        found = logits(network_from_words(network(), texts, words), data).log_softmax(1)
        return float(found[torch.from_numpy(data.targets) == 4, 4].mean())

    shorter = TEXTS | {"c4": TEXTS["c4"].replace("lower ", "")}
    assert row["without"] == pytest.approx(score(TEXTS) - score(shorter), abs=1e-4)
    shown = Preview(network(), words, data).outcome(TEXTS, Settings()).word_frame()
    np.testing.assert_allclose(shown["evidence"], frame["without"], atol=1e-5)


def test_the_only_word_can_be_left_out():
    frame = word_evidence(network(), pictures(), TEXTS | {"c0": "Corner!"}, trigram_words())
    assert frame["token"].iloc[0] == "corner"
    assert np.isfinite(frame["without"]).all()
    nothing, text = trigram_words().vocabulary.encode_known(["?", "corner"])
    assert not nothing.any()
    assert text.any()


def test_there_is_no_gradient_of_whole_texts():
    words, settings = trigram_words(), Settings(evidence="gradient")
    with pytest.raises(KShotValueError, match="'without' for texts read by"):
        Preview(network(), words, pictures()).outcome(TEXTS, settings)
    given = torch.zeros(1, 4), torch.zeros(1, dtype=torch.int64)
    with pytest.raises(KShotKeyError, match="gradient"):
        measured(small_words(), TEXTS, *given, "gradients")


# ---- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("adapt", [None, "scale_shift"])
def test_loaded_words_are_the_saved_ones_with_their_function(tmp_path, adapt):
    words = trigram_words(adapt)
    path = words.save(tmp_path / "toy.safetensors")
    loaded = load_words(path, encoder=trigrams)
    assert torch.equal(loaded.prototypes(NEW), words.prototypes(NEW))
    assert loaded.record == words.record
    assert loaded.vocabulary.words == words.vocabulary.words


def test_the_function_must_be_handed_over(tmp_path):
    path = trigram_words().save(tmp_path / "toy.safetensors")
    said = r"'trigrams\.trigrams' \(48 numbers a text\).*encoder=FUNCTION"
    for call in (
        lambda: load_words(path),
        lambda: network_from_words(network(), NEW, path),
    ):
        with pytest.raises(KShotValueError, match=said):
            call()


def test_a_head_of_words_that_need_a_function_is_refused_at_once(tmp_path):
    path = trigram_words().save(tmp_path / "toy.safetensors")
    with pytest.raises(KShotValueError, match="HeadFromWords"):
        HeadFromWords(TEXTS, str(path))


def test_another_function_is_refused(tmp_path):
    path = trigram_words().save(tmp_path / "toy.safetensors")
    with pytest.raises(KShotValueError, match=r"48 numbers a text.*gives 20"):
        load_words(path, encoder=partial(trigrams, dimension=20))
    with pytest.raises(KShotValueError, match="other vectors"):
        load_words(path, encoder=lambda texts: -trigrams(texts))
    learned = small_words().save(tmp_path / "learned.safetensors")
    for given in (learned, "glyphnet-words"):
        with pytest.raises(KShotValueError, match="leave `encoder` out"):
            load_words(given, encoder=trigrams)


@pytest.mark.parametrize("ending", ["safetensors", "json"])
@pytest.mark.parametrize("seed", range(15))
def test_a_damaged_file_is_an_error_or_still_words_with_an_encoder(tmp_path, ending, seed):
    path = trigram_words().save(tmp_path / "toy.safetensors")
    file = path.with_suffix(f".{ending}")
    file.write_bytes(mutated(file.read_bytes(), seed, text=ending == "json"))
    try:
        said = repr(load_words(path, encoder=trigrams))
    except KShotError as error:
        said = str(error)
    assert "toy" in said.lower()


@pytest.mark.parametrize("encoder", [3, {}, [], {"name": 1}, {"name": "f", "dimension": "48"}])
def test_a_record_of_another_shape_is_named(tmp_path, encoder):
    from kshot_viz.files import read_json, write_json

    path = trigram_words().save(tmp_path / "toy.safetensors")
    record = path.with_suffix(".json")
    document = read_json(record, called="it")
    document["record"]["encoder"] = encoder
    write_json(record, document)
    with pytest.raises(KShotFileError, match="toy"):
        load_words(path, encoder=trigrams)


# ---- bad input ---------------------------------------------------------------------------------

BAD = {
    "another name": ("minilmm", KShotKeyError, "Did you mean 'minilm'"),
    "no function": (3, KShotValueError, "None or 'minilm' or a function"),
    "one vector": (lambda texts: np.zeros(4), KShotValueError, r"shape \(4,\)"),
    "another number of rows": (lambda texts: np.zeros((2, 4)), KShotValueError, "1 texts"),
    "no numbers": (lambda texts: np.zeros((len(texts), 0)), KShotValueError, "a row for each"),
    "NaN": (lambda texts: np.full((len(texts), 4), np.nan), KShotValueError, "NaN or infinity"),
    "texts": (lambda texts: texts, KShotValueError, "array of floats"),
    "None": (lambda texts: None, KShotValueError, "array of floats"),
    "other lengths": (
        lambda texts: [[1.0]] * (len(texts) - 1) + [[1, 2]],
        KShotValueError,
        "float",
    ),
    "growing": (lambda texts: np.ones((len(texts), len(texts))), KShotValueError, "at first"),
}


@pytest.mark.parametrize("case", BAD)
def test_an_encoder_that_cannot_be_used(case):
    encoder, error, message = BAD[case]
    with pytest.raises(error, match=message):
        fitted(encoder=encoder)


def test_tensors_with_gradients_are_vectors_too():
    def encoder(texts):
        return torch.tensor(trigrams(texts), requires_grad=True)

    found = fitted(encoder=encoder).prototypes(NEW)
    torch.testing.assert_close(found, fitted(encoder=trigrams).prototypes(NEW))

from __future__ import annotations

import json
from itertools import permutations

import numpy as np
import pytest
import torch
from mutate import mutated
from networks import toy_backbone
from small_words import TEXTS, network, pictures, small_words

import kshot_viz as kv
from kshot_viz.errors import KShotError, KShotFileError, KShotKeyError, KShotValueError
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.words import (
    load_words,
    network_from_words,
    network_from_words_and_images,
    word_evidence,
)
from kshot_viz.words.evidence import gradients
from kshot_viz.words.evidence.gradients import integrated_gradients
from kshot_viz.words.evidence.scores import class_scores
from kshot_viz.words.evidence.shapley import (
    MOST_EXACT,
    all_parts,
    drawn_parts,
    shapley_values,
)
from kshot_viz.words.modules.tokens2label import PADDING
from kshot_viz.words.network import blend

PAIR = {"one": "bright corner above", "two": "spot in the middle"}


def logits(backbone, data):
    with torch.no_grad():
        return backbone.module(backbone.prepare(data.images))


# ---- the head -----------------------------------------------------------------------------------


def test_the_head_reads_features_as_they_are():
    words, data = small_words(), pictures()
    weight, bias = words.head(TEXTS)
    features = penultimate_features(network(), data.images)
    head = words.encoder.head
    expected = head.logits(words.prototypes(TEXTS), head.standardise(features))
    torch.testing.assert_close(features @ weight.T + bias, expected, atol=1e-4, rtol=1e-4)
    found = logits(network_from_words(network(), TEXTS, words), data)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_rows_follow_the_order_of_the_mapping():
    words, data = small_words(), pictures()
    turned = dict(reversed(list(TEXTS.items())))
    first, second = (network_from_words(network(), one, words) for one in (TEXTS, turned))
    assert second.notes["classes"] == first.notes["classes"][::-1]
    torch.testing.assert_close(
        logits(first, data), logits(second, data).flip(1), atol=1e-5, rtol=1e-5
    )


def test_the_given_backbone_stays_as_it_is():
    backbone, before = network(), network().fingerprint
    made = network_from_words(backbone, PAIR, small_words("scale_shift"), adapt=True)
    assert backbone.fingerprint == before
    assert "classes" not in backbone.notes
    assert made.layers == backbone.layers


@pytest.mark.parametrize("adapt", ["scale_shift", "low_rank"])
def test_an_adapted_network_has_the_folded_changes(adapt):
    words, data = small_words(adapt), pictures()
    plain = network_from_words(network(), PAIR, words)
    changed = network_from_words(network(), PAIR, words, adapt=True)
    assert torch.equal(plain.module.head.linear.weight, changed.module.head.linear.weight)
    assert (logits(plain, data) - logits(changed, data)).abs().max() > 1e-4


def test_a_network_with_a_head_in_it_can_be_given_again():
    words = small_words()
    once = network_from_words(network(), PAIR, words)
    assert network_from_words(once, TEXTS, words).notes["classes"] == list(TEXTS)


# ---- with images -------------------------------------------------------------------------------


def test_descriptions_count_as_much_as_a_number_of_images():
    words, data = small_words(), pictures()
    features = words.encoder.head.standardise(penultimate_features(network(), data.images))
    targets = torch.from_numpy(data.targets)
    sums = torch.stack([features[targets == c].sum(0) for c in range(6)])
    expected = (4 * words.prototypes(TEXTS) + sums) / (4 + 8)
    made = network_from_words_and_images(network(), TEXTS, data, words)
    weight, bias = words.encoder.head.linear(expected)
    torch.testing.assert_close(made.module.head.linear.weight, weight, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(made.module.head.linear.bias, bias, atol=1e-4, rtol=1e-4)


def test_without_images_only_the_description_counts():
    words, data = small_words(), pictures()
    made = network_from_words_and_images(network(), TEXTS, data.take(range(8)), words)
    alone = network_from_words(network(), TEXTS, words)
    rows = made.module.head.linear.weight, alone.module.head.linear.weight
    torch.testing.assert_close(rows[0][1:], rows[1][1:], atol=1e-5, rtol=1e-5)
    assert (rows[0][0] - rows[1][0]).abs().max() > 1e-3


def test_the_order_of_descriptions_need_not_be_that_of_the_images():
    words, data = small_words(), pictures()
    turned = dict(reversed(list(TEXTS.items())))
    first, second = (
        network_from_words_and_images(network(), one, data, words).module.head.linear.weight
        for one in (TEXTS, turned)
    )
    torch.testing.assert_close(first, second.flip(0), atol=1e-5, rtol=1e-5)


def test_many_images_outweigh_the_description():
    prototypes, means = torch.zeros(2, 3), torch.ones(2, 3)
    blended = blend(prototypes, 1e6 * means, torch.tensor([1e6, 1e6]), 4.0)
    torch.testing.assert_close(blended, means, atol=1e-4, rtol=0)


# ---- evidence ----------------------------------------------------------------------------------


def test_evidence_has_a_row_for_every_word():
    frame = word_evidence(network(), pictures(), TEXTS, small_words())
    measures = ["shapley", "without", "gradient"]
    assert list(frame.columns) == ["class", "position", "token", *measures]
    for name, rows in frame.groupby("class"):
        assert " ".join(rows["token"]) == TEXTS[name]
        assert rows["position"].tolist() == list(range(len(rows)))
    assert np.isfinite(frame[measures]).all(axis=None)


def test_gradients_sum_up_to_what_a_description_adds_to_an_average_one(monkeypatch):
    monkeypatch.setattr(gradients, "_PATH", 1000)
    words, data = load_words("glyphnet-words"), kv.load_dataset("glyphs", per_class=2)
    letters = [letter for letter in "abcdgh" if letter in data.classes]
    chosen = [data.classes.index(letter) for letter in letters]
    part = data.restrict(np.flatnonzero(np.isin(data.targets, chosen)), chosen)
    encoder, targets = words.encoder, torch.from_numpy(part.targets)
    tokens = words.tokens({letter: f"latin small {letter}" for letter in letters})
    backbone = kv.load_backbone("glyphnet")
    features = encoder.head.standardise(penultimate_features(backbone, part.images))
    given = integrated_gradients(encoder, tokens, features, targets)
    average = encoder.tokens.embedding.weight[1:].mean(dim=0).expand(1, tokens.shape[1], -1)
    nothing = torch.zeros(1, tokens.shape[1], dtype=torch.bool)
    for c in range(len(letters)):
        task = encoder.tokens(tokens)
        task[c] = encoder.tokens.pool(average, nothing)[0]
        prototypes = encoder.head(encoder.context(task[None]))[0]
        logs = encoder.head.logits(prototypes, features[targets == c]).log_softmax(dim=1)
        whole = class_scores(encoder, tokens, features, targets)[c]
        assert float(given[c].sum()) == pytest.approx(float(whole - logs[:, c].mean()), rel=0.03)


def test_shapley_values_are_means_over_all_orders():
    words, data = small_words(), pictures()
    encoder, tokens = words.encoder, words.tokens(TEXTS)
    features = encoder.head.standardise(penultimate_features(network(), data.images))
    targets = torch.from_numpy(data.targets)
    given = shapley_values(encoder, tokens, features, targets)

    def score(c, kept):
        fewer = tokens.clone()
        fewer[c] = torch.where(torch.tensor(kept), tokens[c], PADDING)
        return float(class_scores(encoder, fewer, features, targets)[c])

    for c in (0, 4):
        places = torch.nonzero(tokens[c] != PADDING)[:, 0].tolist()
        sums = dict.fromkeys(places, 0.0)
        orders = list(permutations(places))
        for order in orders:
            kept = [False] * tokens.shape[1]
            for place in order:
                before, kept[place] = score(c, kept), True
                sums[place] += (score(c, kept) - before) / len(orders)
        np.testing.assert_allclose(given[c, places], [*sums.values()], atol=1e-4)


def test_shapley_values_of_a_long_description_sum_up_too():
    words, data = small_words(), pictures()
    encoder = words.encoder
    features = encoder.head.standardise(penultimate_features(network(), data.images))
    targets = torch.from_numpy(data.targets)
    tokens = torch.arange(1, 3).repeat(data.n_classes, 1)
    longer = torch.nn.functional.pad(tokens, (0, MOST_EXACT))
    longer[0] = torch.arange(MOST_EXACT + 2) % len(words.vocabulary) + 1
    given = shapley_values(encoder, longer, features, targets)
    torch.testing.assert_close(given, shapley_values(encoder, longer, features, targets))
    empty = longer.clone()
    empty[0] = PADDING
    whole, nothing = (class_scores(encoder, one, features, targets)[0] for one in (longer, empty))
    assert float(given[0].sum()) == pytest.approx(float(whole - nothing), abs=1e-4)
    kept, weights = drawn_parts(4)
    scores = kept.double() @ torch.tensor([1.0, 2, 3, 4], dtype=torch.float64)
    torch.testing.assert_close(weights.T @ scores, torch.tensor([1.0, 2, 3, 4]).double())


def test_two_words_that_say_the_same_share_what_they_say():
    kept, weights = all_parts(3)
    said_by_either = (kept[:, 0] | kept[:, 1]).double()
    torch.testing.assert_close(weights.T @ said_by_either, torch.tensor([0.5, 0.5, 0]).double())


def test_leaving_a_word_out_is_what_another_description_gives():
    words, data = small_words(), pictures()
    frame = word_evidence(network(), data, TEXTS, words)
    row = frame[(frame["class"] == "c4") & (frame["token"] == "lower")].iloc[0]

    def score(texts):
        found = logits(network_from_words(network(), texts, words), data).log_softmax(1)
        return float(found[torch.from_numpy(data.targets) == 4, 4].mean())

    shorter = TEXTS | {"c4": TEXTS["c4"].replace("lower ", "")}
    assert row["without"] == pytest.approx(score(TEXTS) - score(shorter), abs=1e-4)


# ---- bad input ---------------------------------------------------------------------------------

BAD = {
    "unknown words": ({"c0": "brigt corner", "c1": "spot"}, KShotKeyError, "'bright'"),
    "equal descriptions": ({"a": "spot", "b": "Spot!"}, KShotValueError, "'a' and 'b'"),
    "another order": ({"a": "bright spot", "b": "spot bright"}, KShotValueError, "word order"),
    "an empty description": ({"a": "spot", "b": " "}, KShotValueError, "description: 'b'"),
    "no text": ({"a": "spot", "b": None}, KShotValueError, "description: 'b'"),
    "one class": ({"a": "spot"}, KShotValueError, "at least two"),
    "no class": ({}, KShotValueError, "at least two"),
    "no mapping": (["spot", "corner"], KShotValueError, "mapping"),
}


@pytest.mark.parametrize("case", BAD)
def test_descriptions_that_no_network_comes_from(case):
    texts, error, message = BAD[case]
    words = small_words()
    for call in (
        words.prototypes,
        words.head,
        lambda texts: network_from_words(network(), texts, words),
    ):
        with pytest.raises(error, match=message):
            call(texts)


def test_a_backbone_that_the_words_were_not_trained_for():
    other = toy_backbone(seed=1)
    for call in (
        lambda: network_from_words(other, PAIR, small_words()),
        lambda: network_from_words_and_images(other, TEXTS, pictures(), small_words()),
        lambda: word_evidence(other, pictures(), TEXTS, small_words()),
    ):
        with pytest.raises(KShotValueError, match="fit_words"):
            call()


def test_images_and_descriptions_of_other_classes():
    fewer = {name: TEXTS[name] for name in list(TEXTS)[:5]}
    with pytest.raises(KShotValueError, match="without a description: 'c5'"):
        network_from_words_and_images(network(), fewer, pictures(), small_words())
    texts = TEXTS | {"c9": "bright spot"}
    with pytest.raises(KShotValueError, match="without a class: 'c9'"):
        network_from_words_and_images(network(), texts, pictures(), small_words())
    with pytest.raises(KShotValueError, match="c5"):
        word_evidence(network(), pictures().take(range(40)), TEXTS, small_words())


def test_words_without_changes_cannot_adapt():
    with pytest.raises(KShotValueError, match="scale_shift"):
        network_from_words(network(), PAIR, small_words(), adapt=True)


# ---- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("adapt", [None, "scale_shift", "low_rank"])
def test_loaded_words_are_the_saved_ones(tmp_path, adapt):
    words = small_words(adapt)
    path = words.save(tmp_path / "deep" / "toy.safetensors")
    loaded = load_words(path)
    assert torch.equal(loaded.prototypes(TEXTS), words.prototypes(TEXTS))
    assert loaded.vocabulary == words.vocabulary
    assert dict(loaded.record) == json.loads(json.dumps(dict(words.record)))
    changed = adapt is not None
    made = [network_from_words(network(), PAIR, one, adapt=changed) for one in (words, path)]
    assert made[0].fingerprint == made[1].fingerprint


def test_unknown_words_are_named(tmp_path):
    with pytest.raises(KShotKeyError, match="glyphnet-words"):
        load_words("glyphnet-word")
    with pytest.raises(KShotFileError, match="none"):
        load_words(tmp_path / "none.safetensors")
    with pytest.raises(KShotValueError, match="words"):
        network_from_words(network(), PAIR, 3)


@pytest.mark.parametrize("ending", ["safetensors", "json"])
@pytest.mark.parametrize("seed", range(25))
def test_a_damaged_file_is_an_error_or_still_words(tmp_path, ending, seed):
    path = small_words("scale_shift").save(tmp_path / "toy.safetensors")
    file = path.with_suffix(f".{ending}")
    file.write_bytes(mutated(file.read_bytes(), seed, text=ending == "json"))
    try:
        said = repr(load_words(path))
    except KShotError as error:
        said = str(error)
    assert "toy" in said.lower()


@pytest.mark.parametrize("path", ["words", "words.pt", 3, None])
def test_a_path_to_save_to_ends_in_safetensors(path):
    with pytest.raises(KShotValueError, match="path"):
        small_words().save(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KShotFileError, match="file"):
        small_words().save(tmp_path / "file" / "deep" / "toy.safetensors")


def test_weights_that_are_not_finite_are_named(tmp_path):
    from safetensors.torch import load_file, save_file

    path = small_words().save(tmp_path / "toy.safetensors")
    weights = load_file(path)
    weights["head.log_tau"].fill_(float("nan"))
    save_file(weights, path)
    with pytest.raises(KShotFileError, match=r"head\.log_tau"):
        load_words(path)

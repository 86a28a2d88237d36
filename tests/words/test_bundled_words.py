"""The words that come with the package, on letters drawn anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import kshot

import kshot_viz as kv
from kshot_viz.data.glyphs.letters import load_letters
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.words import WordsRecipe, describe, files, load_words, split_letters
from kshot_viz.words.training import pretrain
from kshot_viz.words.training.scoring import accuracy, encoder_prototypes, sample_tasks
from kshot_viz.words.training.tasks import FeatureBank

FOLDER = Path(files.__file__).with_name("weights")


@pytest.fixture(scope="module")
def words():
    return load_words("glyphnet-words")


@pytest.fixture(scope="module")
def task(words):
    """Random tasks of held-out combinations: tokens, images, and the features of all of these."""
    data = load_letters(per_class=3, seed=7)
    texts = describe(data)
    chosen = [data.classes.index(name) for name in split_letters(texts)["combinations"]]
    rows = np.flatnonzero(np.isin(data.targets, chosen))
    part = data.restrict(rows, chosen)
    features = penultimate_features(kv.load_backbone("glyphnet"), part.images)
    bank = FeatureBank.of(features, torch.from_numpy(part.targets), part.n_classes)
    classes = torch.arange(part.n_classes)
    tasks = sample_tasks(words.encoder, bank, classes, "random", way=10, n=100)
    images = bank.draw_distinct(tasks, 3, torch.Generator().manual_seed(0))
    tokens = words.vocabulary.encode({name: texts[name] for name in part.classes})
    return tokens[tasks], images, bank


def test_names_alone_classify_combinations_that_were_never_seen(words, task):
    tokens, images, bank = task
    found = accuracy(words.encoder, encoder_prototypes(words.encoder, tokens), bank, images)
    assert found.mean() > 0.85


def test_exchanged_names_give_chance_or_less(words, task):
    tokens, images, bank = task
    prototypes = encoder_prototypes(words.encoder, tokens)
    exchanged = accuracy(words.encoder, prototypes.roll(1, dims=1), bank, images)
    assert exchanged.mean() < 0.1


def test_names_of_another_task_give_chance(words, task):
    tokens, images, bank = task
    others = encoder_prototypes(words.encoder, tokens.roll(1, dims=0))
    assert 0.04 < accuracy(words.encoder, others, bank, images).mean() < 0.16


def test_they_are_small_and_say_how_they_were_made(words):
    assert (FOLDER / "glyphnet-words.safetensors").stat().st_size < 2**20
    record = json.loads((FOLDER / "glyphnet-words.json").read_text("utf-8"))["record"]
    assert record == dict(words.record)
    assert record["recipe"] == pretrain.BUNDLED_RECIPE.to_dict()
    assert record["validation"]["random"]["low"] > 0.87
    assert record["validation"]["similar"]["low"] > 0.75
    assert words.prior_count == record["prior_count"] == 4.0


def test_a_network_from_words_is_like_any_other(words):
    data = kv.load_dataset("letters", per_class=2)
    names = ["á", "ğ", "ŭ", "ж"]
    chosen = [data.classes.index(name) for name in names]
    part = data.restrict(np.flatnonzero(np.isin(data.targets, chosen)), chosen)
    texts = {name: describe(data)[name] for name in names}
    network = kv.network_from_words(kv.load_backbone("glyphnet"), texts)
    with torch.no_grad():
        guesses = network.module(network.prepare(part.images)).argmax(dim=1)
    assert (guesses.numpy() == part.targets).mean() > 0.7
    assert network.with_new_head(3).feature_dim == 32
    changed = kv.network_from_words(kv.load_backbone("glyphnet"), texts, adapt=True)
    assert not torch.equal(
        changed.module.blocks[0].norm.weight, network.module.blocks[0].norm.weight
    )
    with torch.no_grad():
        guesses = changed.module(changed.prepare(part.images)).argmax(dim=1)
    assert (guesses.numpy() == part.targets).mean() > 0.7


def test_unknown_words_are_named_with_the_nearest_known():
    texts = {"a": "latin smal a", "b": "latin small b"}
    with pytest.raises(kv.KShotError, match=r"'smal' of 'a' \(nearest known: 'small'\)"):
        kv.network_from_words(kv.load_backbone("glyphnet"), texts)


def test_the_command_writes_words_that_load(tmp_path, monkeypatch):
    tiny = WordsRecipe(steps=4, tasks=2, width=8)
    usual = pretrain.pretrain_words

    def quick(out, *, seed):
        return usual(out, seed=seed, recipe=tiny, per_class=1, progress=False)

    monkeypatch.setattr(pretrain, "pretrain_words", quick)
    ended = kshot("pretrain-words", "--out", str(tmp_path), "--seed", "3")
    assert ended.code == 0
    assert "glyphnet-words.safetensors" in ended.out
    made = load_words(tmp_path / "glyphnet-words.safetensors")
    assert made.record["seed"] == 3
    assert made.record["recipe"]["steps"] == 4

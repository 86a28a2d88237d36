from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import toy_backbone
from small_words import PARTS, TEXTS, TINY, fitted, network, pictures
from torch import nn
from trigrams import trigrams

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.errors import KShotError, KShotFileError, KShotKeyError, KShotValueError
from kshot_viz.models.backbone import Backbone
from kshot_viz.words import WordsRecipe, fit_words
from kshot_viz.words.training import optimise as loop
from kshot_viz.words.training.optimise import one_cycle
from kshot_viz.words.training.parts import default_parts
from kshot_viz.words.training.tasks import FeatureBank, TaskSampler


def weights(words):
    return words.encoder.state_dict()


def same(first, second):
    return all(torch.equal(value, weights(second)[name]) for name, value in weights(first).items())


def test_the_same_seed_gives_the_same_words_and_leaves_the_random_state():
    network(), pictures()
    before = torch.random.get_rng_state()
    first, again, other = fitted(), fitted(), fitted(seed=1)
    assert same(first, again)
    assert not same(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("adapt", ["scale_shift", "low_rank"])
@pytest.mark.parametrize("ends", [2, 5, 7])
def test_a_resumed_run_is_the_unbroken_one(tmp_path, monkeypatch, ends, adapt):
    monkeypatch.setattr(loop, "_SAVE_EVERY", 2)
    recipe = replace(TINY, adapt=adapt)
    whole = fitted(recipe)
    count, usual = iter(range(100)), torch.optim.AdamW.step

    def dies(self, *args):
        if next(count) == ends:
            raise KeyboardInterrupt
        return usual(self, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        fitted(recipe, out=tmp_path)
    monkeypatch.setattr(torch.optim.AdamW, "step", usual)
    assert same(fitted(recipe, out=tmp_path), whole)
    assert same(fitted(recipe, out=tmp_path), whole)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    fitted(out=tmp_path)
    with pytest.raises(KShotValueError, match="another seed"):
        fitted(out=tmp_path, seed=1)


def test_a_broken_checkpoint_is_named(tmp_path):
    fitted(out=tmp_path)
    path = tmp_path / "head-checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(KShotFileError, match=r"head-checkpoint\.safetensors.*Remove it"):
        fitted(out=tmp_path)


def test_the_record_says_how_it_was_made():
    words = fitted(parts=PARTS)
    record = words.record
    assert record["recipe"] == TINY.to_dict()
    assert record["data"]["classes"] == {"train": 4, "validation": 2}
    scores = record["validation"]
    assert (scores["classes"], scores["way"], scores["queries"]) == (2, 2, 8)
    assert 0 <= scores["random"]["low"] <= scores["random"]["mean"] <= scores["random"]["high"] <= 1
    assert fitted(parts={"train": list(TEXTS)}).record["validation"] is None


def test_changes_of_layers_leave_the_head_as_it_is():
    plain, changed = fitted(), fitted(replace(TINY, adapt="scale_shift", adapt_lr=0.1))
    texts = {name: TEXTS[name] for name in ("c0", "c1")}
    torch.testing.assert_close(plain.prototypes(texts), changed.prototypes(texts))
    moved = [change.scale - 1 for change in changed.changes(texts).values()]
    assert max(part.abs().max() for part in moved) > 1e-3


def bars() -> tuple[ImageDataset, dict[str, str]]:
    """Images of one horizontal and one vertical bar, and texts that say where."""
    words = ("first", "second", "third", "fourth", "fifth")
    names = {f"{r}{c}": f"row{words[r]} column{words[c]}" for r in range(5) for c in range(5)}
    rng, targets = np.random.default_rng(0), np.repeat(np.arange(25), 10)
    images = rng.integers(0, 40, (250, 10, 10, 1), dtype=np.uint8)
    for image, target in zip(images, targets, strict=True):
        row, column = divmod(int(target), 5)
        image[2 * row : 2 * row + 2] += 100
        image[:, 2 * column : 2 * column + 2] += 100
    return ImageDataset.from_arrays(images, targets, classes=list(names)), names


def pixels() -> Backbone:
    """A network whose features are rotated pixels."""
    body = nn.Linear(25, 20)
    nn.init.orthogonal_(body.weight)
    module = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), body, nn.Linear(20, 2))
    return Backbone(module, head="3", example=torch.rand(2, 1, 10, 10))


@pytest.mark.parametrize("encoder", [None, trigrams])
def test_combinations_that_were_not_trained_on_are_found_from_their_texts(encoder):
    data, names = bars()
    recipe = WordsRecipe(steps=200, tasks=4, way=5, queries=4, width=16, lr=1e-2)
    held_out = [f"{i}{(2 * i) % 5}" for i in range(5)]
    parts = {"train": [n for n in names if n not in held_out], "validation": held_out}
    given = {"recipe": recipe, "parts": parts, "encoder": encoder, "progress": False}
    words = fit_words(pixels(), data, names, **given)
    assert words.record["validation"]["random"]["mean"] > 0.8


# ---- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c5": None}, "without a description: 'c5'"),
        ({"c5": " ."}, "without a description: 'c5'"),
        ({"c9": "more"}, "without a class: 'c9'"),
        ({"c5": TEXTS["c0"].upper()}, "of 'c0' and 'c5' have the same words"),
    ],
)
def test_descriptions_that_do_not_fit(change, message):
    texts = {name: text for name, text in (TEXTS | change).items() if text is not None}
    with pytest.raises(KShotValueError, match=message):
        fit_words(network(), pictures(), texts, recipe=TINY, progress=False)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"train": ["c0"]},
        {"train": ["c0", "c1"], "validation": ["c1"]},
        {"train": ["c0", "zebra"]},
        {"train": None},
        {"train": "c0"},
        {"train": [1, [2]]},
    ],
)
def test_parts_that_do_not_fit(parts):
    with pytest.raises(KShotError, match="parts"):
        fitted(parts=parts)


def test_a_class_without_images_cannot_be_trained_on():
    with pytest.raises(KShotValueError, match="c5"):
        fit_words(network(), pictures().take(range(40)), TEXTS, recipe=TINY, progress=False)


@pytest.mark.parametrize(
    "change",
    [{"steps": 0}, {"way": 1}, {"lr": 0}, {"weight_decay": -1}, {"width": 6}, {"tasks": True}],
)
def test_a_recipe_is_checked(change):
    with pytest.raises(KShotValueError, match=next(iter(change))):
        WordsRecipe(**change)
    with pytest.raises(KShotKeyError, match="low_rank"):
        WordsRecipe(adapt="rank")


# ---- parts -------------------------------------------------------------------------------------


@given(st.integers(2, 60), st.integers(2, 5))
def test_words_of_held_out_classes_describe_training_classes_too(n, words):
    texts = {f"class {i}": f"{'abcdef'[i % words]} {'uvwxyz'[i // words % 6]}" for i in range(n)}
    parts = default_parts(texts)
    trained = {word for name in parts["train"] for word in texts[name].split()}
    held_out = {word for name in parts["validation"] for word in texts[name].split()}
    assert held_out <= trained
    assert sorted([*parts["train"], *parts["validation"]]) == sorted(texts)


def test_single_characters_with_texts_of_their_own_are_no_letters_with_marks():
    texts = {name: f"hand sign {name}" for name in "abekos"}
    assert set(default_parts(texts)) == {"train", "validation"}
    assert set(default_parts(texts)["train"]) == set(texts)
    named = {name: f"latin small {name}" for name in "abekos"}
    assert default_parts(named)["bases"] == ("e", "k", "s")


def test_the_network_may_be_of_another_kind_of_float():
    double = toy_backbone()
    double = Backbone(double.module.double(), preprocess=double.preprocess)
    recipe = replace(TINY, adapt="scale_shift")
    words = fit_words(double, pictures(), TEXTS, recipe=recipe, parts=PARTS, progress=False)
    assert weights(words)["head.mean"].dtype == torch.float32
    for value in weights(words).values():
        assert value.isfinite().all()


def test_images_are_those_of_their_class():
    targets = torch.tensor([2, 0, 1, 2, 2, 0, 1])
    bank = FeatureBank.of(torch.arange(7.0)[:, None], targets, 3)
    rng = torch.Generator().manual_seed(0)
    tasks = torch.tensor([[0, 2], [1, 0]])
    for images in (bank.draw(tasks, 5, rng), bank.draw_distinct(tasks, 2, rng)):
        assert torch.equal(targets[images], tasks[..., None].expand_as(images))
    assert all(
        len(set(one)) == 2 for one in bank.draw_distinct(tasks, 2, rng).flatten(0, 1).tolist()
    )
    torch.testing.assert_close(bank.means(torch.tensor([2, 0])), torch.tensor([[7 / 3], [3.0]]))


def test_similar_tasks_are_an_anchor_and_its_nearest():
    classes, means = torch.tensor([3, 5, 7, 9]), torch.tensor([[0.0], [1.0], [10.0], [12.5]])
    sampler = TaskSampler.of(classes, means)
    rng = torch.Generator().manual_seed(0)
    pairs = {tuple(one) for one in sampler.similar(50, 2, rng).tolist()}
    assert pairs == {(3, 5), (5, 3), (7, 9), (9, 7)}
    assert all(len(set(one)) == 3 for one in sampler.random(20, 3, rng).tolist())


@given(st.integers(1, 500))
def test_one_cycle_goes_up_and_down(steps):
    rates = [one_cycle(step, steps) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)
    if steps > 10:
        top = int(np.argmax(rates))
        assert rates[top] > 0.9
        assert rates[: top + 1] == sorted(rates[: top + 1])
        assert rates[top:] == sorted(rates[top:], reverse=True)
        assert rates[-1] < 1e-3

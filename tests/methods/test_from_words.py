"""Heads that start from descriptions: at 0 shots, beside images, and under every other method."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_words import TEXTS, TINY, network, pictures, small_words

import kshot_viz as kv
from kshot_viz.methods.base import Method
from kshot_viz.methods.plain import Plain
from kshot_viz.methods.registry import method_class, method_from_dict
from kshot_viz.methods.rivals.from_words import FromWords
from kshot_viz.models.backbone import Backbone
from kshot_viz.words import HeadFromWords, network_from_words, network_from_words_and_images


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Words of the toy network, as a file."""
    return str(small_words().save(tmp_path_factory.mktemp("words") / "toy.safetensors"))


def episodes(shot: int, n: int = 2, val_share: float = 0.0) -> list[kv.Episode]:
    return kv.sample_episodes(
        pictures(), way=3, shot=shot, query=3, min_query=1, n=n, val_share=val_share
    )


def of(episode: kv.Episode) -> dict[str, str]:
    return {pictures().classes[c]: TEXTS[pictures().classes[c]] for c in episode.classes}


def predicted(row: dict, classes: np.ndarray) -> list[str]:
    return [classes[one] for one in row["predicted"]]


def test_at_0_shots_it_predicts_what_the_network_of_the_descriptions_does(words):
    method = FromWords(head=HeadFromWords(TEXTS, words))
    rows = kv.evaluate(network(), pictures(), episodes(0), [kv.Candidate(method=method)])
    assert set(rows["shot"]) == {0}
    assert set(rows["status"]) == {"ok"}
    for row, episode in zip(rows.to_dict("records"), episodes(0), strict=True):
        alone = network_from_words(network(), of(episode), words)
        _, query = episode.split(pictures())
        logits = alone.module(alone.prepare(query.images))
        assert row["predicted"] == logits.argmax(dim=1).tolist()
        assert row["accuracy"] == pytest.approx(
            (logits.argmax(dim=1).numpy() == query.targets).mean()
        )


def test_with_images_it_blends_them_and_without_a_prior_count_it_does_not(words):
    episode = episodes(2)[0]
    support, query = episode.split(pictures())
    blended = network_from_words_and_images(network(), of(episode), support, words)
    alone = network_from_words(network(), of(episode), words)
    for prior, made in ((4.0, blended), (None, alone)):
        head = HeadFromWords(TEXTS, words, prior_count=prior)
        result = kv.finetune(network(), support, method=FromWords(head=head))
        expected = made.module(made.prepare(query.images))
        np.testing.assert_allclose(result.logits(query.images), expected.detach(), atol=1e-5)


def test_images_count_in_a_float64_network_too(tmp_path):
    double = Backbone(network().to("cpu").module.double(), preprocess=network().preprocess)
    trained = kv.fit_words(
        double, pictures(), TEXTS, recipe=TINY, parts={"train": list(TEXTS)}, progress=False
    )
    path = str(trained.save(tmp_path / "double.safetensors"))
    episode = episodes(2)[0]
    support, query = episode.split(pictures())
    result = kv.finetune(double, support, method=FromWords(head=HeadFromWords(TEXTS, path)))
    blended = network_from_words_and_images(double, of(episode), support, trained)
    expected = blended.module(blended.prepare(query.images)).detach()
    np.testing.assert_allclose(result.logits(query.images), expected, atol=1e-5)


def test_any_method_starts_from_it(words):
    support, query = episodes(1)[0].split(pictures())
    head = HeadFromWords(TEXTS, words)
    start = kv.finetune(network(), support, method=FromWords(head=head))
    steps = {
        n: kv.finetune(
            network(), support, method=Plain(head=head), config=kv.FinetuneConfig(steps=n)
        )
        for n in (0, 3)
    }
    np.testing.assert_array_equal(steps[0].logits(query), start.logits(query))
    assert not np.array_equal(steps[3].logits(query), start.logits(query))


def test_methods_that_need_images_refuse_0_shots(words):
    with pytest.raises(kv.KShotError, match=r"'plain' needs at least one image.*0 shots"):
        kv.evaluate(network(), pictures(), episodes(0), [kv.Candidate(method="plain")])
    support, _ = episodes(0)[0].split(pictures())
    with pytest.raises(kv.KShotError, match="'plain' needs at least one image"):
        kv.finetune(network(), support, method="plain")
    # A start from descriptions is no reason to train on nothing.
    with pytest.raises(kv.KShotError, match="'plain' needs at least one image"):
        kv.finetune(network(), support, method=Plain(head=HeadFromWords(TEXTS, words)))
    assert kv.finetune(
        network(), support, method=FromWords(head=HeadFromWords(TEXTS, words))
    ).predict(pictures().take([0]))[0] in set(support.classes)


def test_one_table_of_descriptions_and_images_is_replayed(words, tmp_path):
    alone = FromWords(head=HeadFromWords(TEXTS, words, prior_count=None))
    both = FromWords(head=HeadFromWords(TEXTS, words))
    methods = [
        kv.Candidate(method=alone, name="descriptions alone"),
        kv.Candidate(method=both, name="descriptions and images"),
        "nearest_mean",
        "plain",
        "from_words",
    ]
    grid = kv.TuningGrid(lrs=(0.01,), head_lrs=(0.1,), head_only_lrs=(0.1,), steps=(2,))
    table = kv.compare_methods(
        *(network(), pictures(), episodes(1, val_share=0.25)),
        methods=methods,
        grid=grid,
        n_val=2,
        executor="serial",
    )
    rows = table.frame
    tested = rows["episode"].str.startswith("test") & (rows["method"] == "descriptions alone")
    assert tested.sum() == 2
    assert "from_words (it needs descriptions" in str(table)
    table.save(tmp_path)
    again = kv.Comparison.load(tmp_path)
    numbers = [i for i, name in enumerate(rows["method"]) if name.startswith("descriptions")]
    for row in numbers:
        assert again.replay(row, backbone=network(), data=pictures()).identical


@pytest.mark.parametrize("prior", [None, 0.5, 4.0])
def test_a_start_survives_json_and_equal_ones_are_equal(words, prior):
    head = HeadFromWords(TEXTS, words, prior)
    for method in (FromWords(head=head), Plain(head=head)):
        record = json.loads(json.dumps(method.to_dict()))
        again = method_from_dict(record)
        assert again == method
        assert hash(again) == hash(method)
    assert isinstance(method_from_dict(Method.to_dict(Plain())), Plain)


def test_rows_of_words_that_were_replaced_are_not_taken_for_those_of_the_new_ones(tmp_path):
    path = small_words().save(tmp_path / "toy.safetensors")
    old = HeadFromWords(TEXTS, str(path))
    trained = {"parts": {"train": list(TEXTS)}, "seed": 1, "recipe": TINY, "progress": False}
    kv.fit_words(network(), pictures(), TEXTS, **trained).save(path)
    new = HeadFromWords(TEXTS, str(path))
    assert new != old
    assert new.to_dict() != old.to_dict()
    support, _ = episodes(1)[0].split(pictures())
    assert kv.finetune(network(), support, method=FromWords(head=new))
    with pytest.raises(kv.KShotError, match="have changed"):
        kv.finetune(network(), support, method=FromWords(head=old))
    # A record can be read where the words are not.
    path.unlink()
    assert HeadFromWords.from_dict(old.to_dict()) == old
    with pytest.raises(kv.KShotError, match="cannot be read"):
        HeadFromWords(TEXTS, str(path))


def test_what_does_not_fit_is_said(words):
    support, _ = episodes(1)[0].split(pictures())
    fewer = {name: text for name, text in TEXTS.items() if name != support.classes[0]}
    with pytest.raises(kv.KShotError, match=f"no text for '{support.classes[0]}'"):
        kv.finetune(network(), support, method=FromWords(head=HeadFromWords(fewer, words)))
    with pytest.raises(kv.KShotError, match="trained for 'glyphnet'"):
        kv.finetune(network(), support, method=FromWords(head=HeadFromWords(TEXTS)))
    with pytest.raises(kv.KShotError, match="it needs descriptions"):
        kv.finetune(network(), support, method="from_words")
    with pytest.raises(kv.KShotError, match="`prior_count`"):
        HeadFromWords(TEXTS, words, prior_count=0)
    with pytest.raises(kv.KShotError, match="without a description"):
        HeadFromWords(TEXTS | {"c9": " "}, words)


@pytest.mark.parametrize("name", ["nearest_mean", "logistic", "cosine_head"])
def test_methods_that_make_their_head_take_no_other(words, name):
    with pytest.raises(kv.KShotError, match=f"{name!r} makes its head"):
        method_class(name)(head=HeadFromWords(TEXTS, words))
    with pytest.raises(kv.KShotError, match=f"{name!r} makes its head"):
        method_class(name)(head=kv.HeadInit("class_means"))

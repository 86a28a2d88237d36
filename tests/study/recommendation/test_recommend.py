"""What is recommended for k images a class, and the accuracy that is stated for it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data
from PIL import Image

import kshot_viz as kv
from kshot_viz.data.image_files import ImageFiles
from kshot_viz.errors import KShotKeyError, KShotValueError, KShotWarning
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.study.recommendation.estimate import Estimate, estimated
from kshot_viz.study.recommendation.folds import leave_out_episodes
from kshot_viz.study.recommendation.held_out import HeldOut, held_out
from kshot_viz.study.recommendation.labelled import labelled_dataset
from kshot_viz.study.recommendation.prior import shipped_prior
from kshot_viz.study.recommendation.reasons import comparison_reasons
from kshot_viz.study.recommendation.safe import (
    OWN_HEAD_LR,
    free_numbers,
    head_step_size,
    safe_candidate,
    safe_candidates,
)
from kshot_viz.study.recommendation.take import dependence, take

FROZEN = safe_candidates(toy_backbone(), toy_data(3, 2))[:3]
NAMES = ["nearest_mean", "logistic", "head_only", "grouped", "plain"]


def noisy(per_class: int, *, classes: int = 3, seed: int = 3) -> kv.ImageDataset:
    """Images on which no method is always right."""
    clean, rng = toy_data(classes, per_class, seed=seed), np.random.default_rng(seed)
    images = clean.images.astype(int) + rng.integers(-90, 90, clean.images.shape)
    images = np.clip(images, 0, 255).astype(np.uint8)
    return kv.ImageDataset.from_arrays(images, clean.targets, classes=clean.classes, name="noisy")


# ---- folds -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shot", "sizes"), [(2, [1, 1]), (5, [1] * 5), (7, [2, 2, 1, 1, 1]), (10, [2] * 5)]
)
def test_each_image_is_left_out_once(shot, sizes):
    data = toy_data(3, shot)
    episodes = leave_out_episodes(data)
    assert [one.query_per_class for one in episodes] == sizes
    assert sorted(i for one in episodes for i in one.query) == list(range(len(data)))
    for one in episodes:
        assert set(one.support) | set(one.query) == set(range(len(data)))
        support, query = one.split(data)
        assert support.targets.tolist() == sorted(support.targets.tolist())
        assert set(query.counts().values()) == {one.query_per_class}


def test_classes_of_different_size_take_part_with_as_many_images():
    data = toy_data(3, 6).take([0, 1, 2, *range(6, 18)])
    episodes = leave_out_episodes(data)
    assert [one.shot for one in episodes] == [2, 2, 2]
    assert set(leave_out_episodes(data, seed=1)[0].support) != set(episodes[0].support)


def test_a_copy_is_never_on_both_sides():
    data = toy_data(2, 4).take([0, 0, 0, 1, 4, 5, 6])
    episodes = leave_out_episodes(data)
    assert len(episodes) == 2
    for one in episodes:
        kept = {data.digests[i] for i in one.support}
        assert not kept & {data.digests[i] for i in one.query}


def test_one_image_leaves_nothing_to_leave_out():
    assert leave_out_episodes(toy_data(3, 1)) == []


# ---- frozen features ---------------------------------------------------------------------------


def test_features_computed_once_give_the_hits_of_the_whole_network():
    backbone, data = toy_backbone(), noisy(4)
    episodes = leave_out_episodes(data)
    found = held_out(backbone, data, episodes, FROZEN)
    rows = kv.evaluate(backbone, data, episodes, FROZEN, path="loop")
    right = []
    for i, one in enumerate(FROZEN):
        predicted = np.concatenate(rows[rows["method"] == one.name]["predicted"].tolist())
        right.append(predicted == np.tile([0, 1, 2], len(episodes)))
        assert found.hits[i].tolist() == right[i].tolist()
    assert 0 < found.hits.mean() < 1
    assert found.accuracies["logistic"] == pytest.approx(right[1].mean())


# ---- the choice --------------------------------------------------------------------------------


def hits(*counts: int, n: int = 40) -> np.ndarray:
    return np.stack([np.arange(n) < count for count in counts])


def candidates() -> list[kv.Candidate]:
    return safe_candidates(toy_backbone(), toy_data(3, 2))


def test_the_candidates_go_from_the_least_moved_to_the_most():
    assert [one.name for one in candidates()] == NAMES
    numbers = [free_numbers(toy_backbone(), one, 3) for one in candidates()]
    assert numbers[0] == numbers[1] == numbers[2] == 3 * (8 + 1)
    # Six neurons and eight, a tenth of them: one group each, and the batch norm with the first.
    assert numbers[3] == 27 + (9 + 1 + 1 + 1) + (6 * 9 + 1)
    assert numbers[4] == 27 + 6 * 9 + 6 + 6 + 6 + 8 * 6 * 9 + 8


def test_the_step_of_the_head_suits_the_length_of_the_features():
    backbone, data = toy_backbone(), toy_data(3, 2)
    power = penultimate_features(backbone, data).square().sum(dim=1).mean().item()
    assert head_step_size(backbone, data) == pytest.approx(10 / power, rel=0.05)
    black = kv.ImageDataset.from_arrays(np.zeros((4, 8, 8, 1), np.uint8), [0, 0, 1, 1])
    with torch.no_grad():
        for parameter in backbone.module.parameters():
            parameter.zero_()
    assert head_step_size(backbone, black) == OWN_HEAD_LR


def test_a_method_that_is_named_keeps_a_head_of_its_own():
    backbone, data = toy_backbone(), toy_data(3, 2)
    own = safe_candidate(backbone, data, "cosine_head")
    assert own.config.head_lr == OWN_HEAD_LR
    assert safe_candidate(backbone, data, "bitfit").method.head.kind == "imprinted"
    assert safe_candidate(backbone, data, "logistic") == kv.Candidate(method="logistic")


def test_without_a_prior_a_body_that_moves_must_be_clearly_better():
    one, _ = take(candidates(), hits(30, 31, 30, 31, 31), 5, {})
    assert NAMES[one] == "logistic"
    far, good = take(candidates(), hits(5, 5, 5, 35, 36), 5, {})
    assert NAMES[far] == "grouped"
    assert good.tolist() == [False, False, False, True, True]


def test_a_prior_decides_between_methods_that_are_as_good():
    equal = hits(30, 30, 30, 30, 30)
    assert take(candidates(), equal, 5, {})[0] == 0
    assert NAMES[take(candidates(), equal, 5, {"logistic": 1.0, "plain": 0.5})[0]] == "plain"
    assert NAMES[take(candidates(), equal, 5, {"logistic": 0.5, "plain": 0.5})[0]] == "logistic"
    worse = hits(38, 10, 10, 10, 10)
    assert take(candidates(), worse, 5, {"logistic": 0.0})[0] == 0


@pytest.mark.parametrize(("ahead", "clear"), [(3, False), (6, False), (12, True)])
def test_images_of_folds_count_as_fewer_than_independent_ones(ahead, clear):
    _, good = take(candidates()[:2], hits(ahead, 0, n=40), 5, {})
    assert good.tolist() == [True, not clear]
    assert dependence(1) == 1.0


def test_one_image_more_is_not_clearly_better_even_where_it_is_the_last_one():
    perfect = hits(20, 19, 20, 19, 10, n=20)
    index, good = take(candidates(), perfect, 5, {"logistic": 0.5, "plain": 0.1})
    assert NAMES[index] == "logistic"
    assert good.tolist() == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("counts", "prior", "taken", "words"),
    [
        ((35, 5, 5, 5, 5), {"plain": 0.5}, 0, "is clearly the best of them"),
        ((30, 30, 30, 30, 31), {"grouped": 0.3}, 3, "was 0.3 points behind the best method on"),
        (
            (31, 30, 30, 30, 31),
            {"plain": 0.3},
            4,
            "as good as any of them; none of the others",
        ),
        ((30, 30, 30, 30, 31), {}, 0, "it leaves the body of the network as it is, so"),
        ((5, 5, 5, 30, 30), {}, 3, "it comes first of those that move the network"),
    ],
)
def test_the_choice_is_explained_by_what_decided_it(counts, prior, taken, words):
    right = hits(*counts)
    found = HeldOut(tuple(candidates()), right, np.zeros(right.shape[1], dtype=int))
    index, good = take(found.candidates, right, 5, prior)
    assert index == taken
    assert words in comparison_reasons(found, index, good, prior)[-1]


# ---- the estimate ------------------------------------------------------------------------------


def test_each_fold_chooses_without_its_own_images():
    # Each candidate is right in one fold alone, so the one that looks best in a fold is not taken.
    folds = np.repeat([0, 1], 10)
    right = np.stack([folds == 0, folds == 1])
    found = HeldOut(tuple(FROZEN[:2]), right, folds)
    stated = estimated(found, {}, shot=1)
    assert stated.methods == ("logistic", "nearest_mean")
    assert stated.accuracy == 0.0
    assert right.mean(axis=1).tolist() == [0.5, 0.5]


def test_a_fold_does_not_decide_what_is_tried_on_it():
    # Nearest mean misses one image, of fold 2: without this fold nothing else would be tried.
    folds = np.repeat(np.arange(5), 2)
    nearest, plain = np.arange(10) != 5, np.ones(10, dtype=bool)
    found = HeldOut((candidates()[0], candidates()[-1]), np.stack([nearest, plain]), folds)
    assert [one.name for one in found.without(2).candidates] == [NAMES[0]]
    assert len(found.without(1).candidates) == 2
    stated = estimated(found, {NAMES[-1]: 0.1, NAMES[0]: 0.5}, shot=4)
    assert stated.methods == (NAMES[-1], NAMES[-1], NAMES[0], NAMES[-1], NAMES[-1])
    assert stated.accuracy == pytest.approx(0.9)


def test_the_interval_is_wider_than_of_as_many_independent_images():
    folds = np.repeat(np.arange(5), 10)
    right = (np.arange(50) % 10 < 8)[None]
    stated = estimated(HeldOut(tuple(FROZEN[:1]), right, folds), {}, shot=4)
    assert stated.accuracy == pytest.approx(0.8)
    assert dependence(5) == 2.25
    assert stated.low == pytest.approx(0.595, abs=0.01)
    # The error may fall from 20 % to 16 % with the fifth image.
    assert stated.high == pytest.approx(0.94, abs=0.01)


@pytest.mark.slow
def test_pure_noise_is_stated_as_chance():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    data = kv.ImageDataset.from_arrays(images, np.repeat(np.arange(4), 10))
    stated = kv.recommend(toy_backbone(), data, candidates=FROZEN).estimate
    assert stated.low < 0.25 < stated.high


def test_an_estimate_survives_its_record():
    stated = kv.recommend(toy_backbone(), noisy(3), candidates=FROZEN).estimate
    assert Estimate.from_dict(json.loads(json.dumps(stated.to_dict()))) == stated
    assert "rather too low" in stated.meaning
    assert f"{100 * stated.accuracy:.1f}" in stated.meaning


# ---- the whole ---------------------------------------------------------------------------------


def test_a_recommendation_says_why_and_trains():
    backbone, data = toy_backbone(), noisy(4)
    found = kv.recommend(backbone, data)
    assert found.method in NAMES
    assert set(found.accuracies) == set(NAMES)
    assert found.estimate.images == 12
    assert found.estimate.shot == 3
    text = str(found)
    for part in ("3 classes with 4 images each", "left out", "numbers", "Expected accuracy"):
        assert part in text
    assert found == kv.recommend(backbone, data)
    record = json.loads(json.dumps(found.to_dict()))
    assert kv.Candidate.from_dict(record["candidate"]) == found.candidate
    result = found.finetune(backbone, data)
    assert result.method == found.method
    assert result.config == found.config


def test_what_is_perfect_without_moving_the_body_ends_the_comparison():
    found = kv.recommend(toy_backbone(), toy_data(3, 4))
    assert max(found.accuracies.values()) == 1.0
    assert "plain" not in found.accuracies
    assert "not tried (groups and plain)" in " ".join(found.reasons)


def test_one_image_of_a_class_has_no_estimate():
    found = kv.recommend(toy_backbone(), toy_data(3, 1))
    known = shipped_prior(1)
    assert (found.method, found.estimate, found.shot) == (min(known, key=known.get), None, 1)
    assert "No accuracy can be estimated" in str(found)
    prior = {"plain": 0.4, "nearest_mean": 2.0, "bitfit": 0.0}
    told = kv.recommend(toy_backbone(), toy_data(3, 1), prior=prior)
    assert told.method == "plain"
    assert "0.4 points" in " ".join(told.reasons)
    partial = " ".join(kv.recommend(toy_backbone(), toy_data(3, 1), prior={"plain": 3.0}).reasons)
    assert "none of the others is known to have lost less on other tasks" in partial


def test_a_class_of_copies_of_others_is_refused(backbone):
    image = toy_data(3, 4).images[:1].repeat(2, axis=0)
    with pytest.raises(KShotValueError, match=r"Every image of b is a copy of one in another"):
        kv.recommend(backbone, (image, ["a", "b"]))


def test_what_was_measured_of_other_settings_is_no_prior(monkeypatch):
    backbone, data = toy_backbone(), toy_data(3, 1)
    best_elsewhere = kv.recommend(backbone, data).candidate
    nearest, own = FROZEN[0], best_elsewhere.at(lr=0.5)
    assert own.name == best_elsewhere.name != nearest.name
    assert kv.recommend(backbone, data, candidates=[nearest, own]).candidate == nearest
    told = kv.recommend(backbone, data, candidates=[own, nearest])
    assert told.candidate == own
    assert "is the first of the candidates" in " ".join(told.reasons)


def test_candidates_may_be_named():
    data = noisy(3)
    found = kv.recommend(toy_backbone(), data, candidates=["head_only", "plain"])
    assert found.among == ("head_only", "plain")
    assert found.candidate == safe_candidate(toy_backbone(), data, found.method)
    assert str(found).startswith("Recommended: ")
    assert "every fold chose its method without them" in str(found)


def test_what_leaves_the_body_as_it_is_comes_first_whatever_its_name():
    names = ["plain", "cosine_head"]
    found = kv.recommend(toy_backbone(), toy_data(3, 3), candidates=names)
    assert found.method == "cosine_head"
    assert "it leaves the body of the network as it is" in " ".join(found.reasons)
    assert "It fits" not in str(found)


def test_batches_that_a_norm_sees_count_where_they_are_trained_on():
    data, backbone = noisy(4), toy_backbone()
    config = kv.FinetuneConfig(steps=20, train_mode=True)
    alone = [kv.Candidate(None, config, "head_only")]
    episodes = leave_out_episodes(data)
    found, rows = (
        held_out(backbone, data, episodes, alone),
        kv.evaluate(backbone, data, episodes, alone, mix_names=False),
    )
    assert found.hits.mean() == pytest.approx(rows["accuracy"].mean())


def test_a_candidate_that_cannot_be_used_is_refused_whatever_the_number_of_images():
    for shots in (1, 3):
        with pytest.raises(KShotValueError, match="from_words"):
            kv.recommend(toy_backbone(), noisy(shots), candidates=["from_words", "plain"])


def test_a_method_that_was_asked_for_is_not_called_recommended():
    found = kv.recommend(toy_backbone(), noisy(3), candidates=["plain"])
    assert found.estimate.methods == ()
    assert str(found).startswith("Asked for: plain")
    assert "chose" not in str(found)
    assert found.to_dict()["among"] == ["plain"]


def test_an_accuracy_that_may_be_guessing_is_called_so():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 8, 8, 1), dtype=np.uint8)
    noise = kv.ImageDataset.from_arrays(images, np.repeat(np.arange(4), 3))
    said = str(kv.recommend(toy_backbone(), noise, candidates=FROZEN)).replace("\n", " ")
    assert "With 4 classes guessing is right in 25.0 %" in said
    clear = kv.recommend(toy_backbone(), toy_data(3, 5), candidates=FROZEN)
    assert "guessing" not in str(clear)


def test_an_image_with_two_labels_is_named(tmp_path):
    data = noisy(3)
    images = np.concatenate([data.images, data.images[:1]])
    labels = [*data.labels, data.classes[2]]
    double = kv.ImageDataset.from_arrays(images, labels)
    said = " ".join(kv.recommend(toy_backbone(), double, candidates=FROZEN).reasons)
    assert f"One image has two labels ({data.classes[0]} and {data.classes[2]})" in said
    for image, label, name in zip(images, labels, "abcdefghij", strict=True):
        (tmp_path / label).mkdir(exist_ok=True)
        Image.fromarray(image[..., 0]).save(tmp_path / label / f"{name}.png")
    files = kv.load_dataset(tmp_path)
    network = kv.load_backbone("glyphnet", size=16)
    told = " ".join(kv.recommend(network, files, candidates=["nearest_mean"]).reasons)
    assert f"({data.classes[0]}/a.png and {data.classes[2]}/j.png)" in told


def test_groups_may_come_from_a_source():
    rule = kv.GroupingRule(groups_from="source", n_groups=0.5)
    only = [kv.Candidate(rule, kv.FinetuneConfig(steps=2))]
    source = toy_data(2, 4, seed=9)
    found = kv.recommend(toy_backbone(), noisy(2), candidates=only, source=source)
    assert isinstance(found.candidate.grouping, kv.Grouping)
    assert found.finetune(toy_backbone(), noisy(2)).grouping == found.candidate.grouping
    with pytest.raises(KShotValueError, match="query images"):
        kv.recommend(toy_backbone(), noisy(2), candidates=only, source=noisy(2))


def test_inverted_images_are_a_reason():
    data = kv.load_dataset("digits")
    few = data.take([i for c in range(3) for i in np.flatnonzero(data.targets == c)[:2]])
    paper = kv.ImageDataset.from_arrays(255 - few.images, few.labels, name="paper")
    backbone = kv.load_backbone("glyphnet")
    with pytest.warns(KShotWarning, match="look inverted"):
        found = kv.recommend(backbone, paper, candidates=FROZEN)
    assert "look inverted" in " ".join(found.reasons)
    near = kv.recommend(backbone, few, candidates=FROZEN)
    assert "near those that the network learned from" in " ".join(near.reasons)
    grey = kv.ImageDataset.from_arrays(few.images // 2 + 100, few.labels, name="grey")
    far = " ".join(kv.recommend(backbone, grey, candidates=FROZEN).reasons)
    assert "differ from those that the network learned from" in far


def test_the_page_escapes_names():
    odd = [kv.Candidate(None, kv.FinetuneConfig(steps=1), "plain", "<b>mine</b>")]
    page = kv.recommend(toy_backbone(), noisy(2), candidates=odd)._repr_html_()
    assert "<b>mine" not in page
    assert "&lt;b&gt;mine" in page


# ---- what it takes -----------------------------------------------------------------------------


def test_a_list_of_files_is_named_and_decoded_as_a_folder_is(tmp_path):
    data = noisy(2)
    paths = [str(tmp_path / f"{i}.png") for i in range(len(data))]
    for path, image in zip(paths, data.images, strict=True):
        Image.fromarray(image[..., 0]).save(path)
    found, classes = labelled_dataset((paths, data.labels))
    assert found.images == ImageFiles(tuple(paths))
    assert classes.tolist() == sorted(set(data.labels))


@pytest.mark.parametrize("form", ["floats", "tensor", "byte tensor", "pictures"])
def test_every_form_of_images_gives_the_same_hits(form):
    data = noisy(3)
    pixels = data.images
    forms = {
        "floats": (pixels / 255.0).astype(np.float32).transpose(0, 3, 1, 2),
        "tensor": torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255,
        "byte tensor": torch.from_numpy(pixels).permute(0, 3, 1, 2),
        "pictures": [Image.fromarray(one[..., 0]) for one in pixels],
    }
    found = kv.recommend(toy_backbone(), (forms[form], data.labels), candidates=FROZEN)
    assert found.accuracies == kv.recommend(toy_backbone(), data, candidates=FROZEN).accuracies


def test_rows_of_features_are_taken():
    rows = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    data, classes = labelled_dataset((rows, [7, 9] * 4))
    assert data.images is rows
    assert classes.tolist() == [7, 9]
    assert len(set(data.digests)) == 8


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"prior": {"plane": 1.0}}, KShotKeyError, "'plain'"),
        ({"prior": {"plain": -1.0}}, KShotValueError, ">= 0"),
        ({"prior": ["plain"]}, KShotValueError, "mapping"),
        ({"candidates": []}, KShotValueError, "one or more"),
        ({"candidates": [FROZEN[0]] * 2}, KShotValueError, "distinct"),
        ({"candidates": ["plane"]}, KShotKeyError, "'plain'"),
        ({"candidates": "plain"}, KShotValueError, "list"),
        ({"seed": -1}, KShotValueError, "seed"),
        ({"device": "nonsense"}, KShotValueError, "device"),
        ({"executor": "nonsense"}, KShotKeyError, "executor"),
        ({"support": (np.zeros((2, 8, 8), np.uint8), ["a", "a"])}, KShotValueError, "two classes"),
        ({"support": (np.zeros((2, 8, 8), np.uint8), ["a"])}, KShotValueError, "1 labels"),
        ({"support": 3}, KShotValueError, "support"),
    ],
)
def test_wrong_arguments_are_named(change, error, words):
    given = {"support": noisy(2), **change}
    with pytest.raises(error, match=words):
        kv.recommend(toy_backbone(), given.pop("support"), **given)

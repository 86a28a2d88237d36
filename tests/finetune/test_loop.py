from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.errors import KShotError, KShotValueError
from kshot_viz.finetune.gradients import neuron_gradients
from kshot_viz.finetune.loop import finetune
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.methods.config import FinetuneConfig


def changed(result, backbone):
    before = backbone.module.state_dict()
    after = result.backbone.module.state_dict()
    same = {n for n in after if n in before and before[n].shape == after[n].shape}
    return {n for n in same if not torch.equal(before[n], after[n])}


CONFIG = FinetuneConfig(lr=0.05, steps=6)


@pytest.mark.parametrize("decay", [0.0, 0.5])
@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_plain_fine_tuning_is_torchs_own_loop(name, decay):
    """An obvious twin: torch's optimizer on a copy of the network with a zero head."""
    backbone, data = toy_backbone(dtype=torch.float64), toy_data(3, 4)
    config = CONFIG.but(optimizer=name, weight_decay=decay)
    result = finetune(backbone, data, method="plain", config=config)
    twin = backbone.with_new_head(3)
    inputs, targets = twin.prepare(data.images), torch.from_numpy(data.targets)
    head = twin.head_parameters()
    groups = [
        {"params": [p], "lr": CONFIG.head_lr if n in head else CONFIG.lr}
        for n, p in twin.module.named_parameters()
    ]
    starts = [group["params"][0].detach().clone() for group in groups]
    optimizer = {
        "sgd": partial(torch.optim.SGD, momentum=CONFIG.momentum),
        "adam": torch.optim.Adam,
        "adamw": partial(torch.optim.AdamW, weight_decay=0.0),
    }[name](groups, lr=0.1)
    for _ in range(CONFIG.steps):
        optimizer.zero_grad()
        F.cross_entropy(twin.module(inputs), targets).backward()
        for group, start in zip(groups, starts, strict=True):
            (parameter,) = group["params"]
            pull = decay * (parameter.detach() - start)
            if name == "adamw":
                parameter.data -= group["lr"] * pull
            else:
                parameter.grad += pull
        optimizer.step()
    with torch.no_grad():
        assert torch.allclose(twin.module(inputs), result.logits(data), atol=1e-12)


def test_without_progress_no_bar_is_made(monkeypatch):
    """A bar has a lock of the system, which worker processes would leave behind."""
    monkeypatch.setattr("tqdm.auto.tqdm", None)
    finetune(toy_backbone(), toy_data(3, 4), method="plain", config=CONFIG)
    with pytest.raises(TypeError, match="NoneType"):
        finetune(toy_backbone(), toy_data(3, 4), method="plain", config=CONFIG, progress=True)


def test_head_only_moves_the_head_only():
    backbone, data = toy_backbone(), toy_data(4, 3)
    result = finetune(backbone, data, method="head_only", config=CONFIG)
    assert {n for n in changed(result, backbone) if not n.startswith("head")} == set()


def test_last_block_moves_the_last_block_only():
    backbone, data = toy_backbone(), toy_data(3, 3)
    result = finetune(backbone, data, method="last_block", config=CONFIG)
    assert {n for n in changed(result, backbone) if not n.startswith("head")} == {
        "deep.weight",
        "deep.bias",
    }


def test_layer_lr_freezes_and_scales():
    backbone, data = toy_backbone(dtype=torch.float64), toy_data(3, 3)
    one = CONFIG.but(steps=2, momentum=0.0)
    frozen = finetune(backbone, data, method="plain", config=one.but(layer_lr={"conv": 0}))
    assert {n for n in changed(frozen, backbone) if not n.startswith("head")} == {
        "deep.weight",
        "deep.bias",
    }, "the batch norm tied to conv is frozen with it"
    double = finetune(backbone, data, method="plain", config=one.but(layer_lr={"deep": 2.0}))
    single = finetune(backbone, data, method="plain", config=one)
    start = backbone.module.state_dict()["deep.weight"]
    step = [r.backbone.module.state_dict()["deep.weight"] - start for r in (double, single)]
    torch.testing.assert_close(step[0], 2 * step[1])


def test_others_freeze_moves_the_grouping_only():
    backbone, data = toy_backbone(), toy_data(3, 3)
    grouping = Grouping.one_group(backbone).only(["conv"])
    result = finetune(backbone, data, grouping=grouping, config=CONFIG.but(others="freeze"))
    moved = {n for n in changed(result, backbone) if not n.startswith("head")}
    assert moved == {"conv.weight", "conv.bias", "norm.weight", "norm.bias"}


def test_sum_is_mean_times_group_size():
    backbone, data = toy_backbone(dtype=torch.float64), toy_data(3, 3)
    grouping = Grouping.one_group(backbone).only(["conv"])
    one = CONFIG.but(steps=2, momentum=0.0, others="freeze")
    start = backbone.module.state_dict()["conv.weight"]
    runs = [
        finetune(backbone, data, grouping=grouping, config=one.but(reduce=r))
        for r in ("sum", "mean")
    ]
    steps = [r.backbone.module.state_dict()["conv.weight"] - start for r in runs]
    torch.testing.assert_close(steps[0], 6 * steps[1])


def test_history_and_result():
    backbone, data = toy_backbone(), toy_data(3, 4)
    result = finetune(backbone, data, method="plain", config=CONFIG.but(steps=30))
    history = result.history
    assert list(history.columns) == ["step", "loss", "accuracy"]
    assert len(history) == 31
    assert history.loss.iloc[0] == pytest.approx(np.log(3))
    assert history.loss.iloc[-1] < history.loss.iloc[0]
    assert result.status == "ok"
    assert set(result.predict(data)) <= set(data.classes)
    assert result.predict_proba(data).sum(axis=1) == pytest.approx(np.ones(len(data)))
    assert result.score(data.images, data.labels) == (result.predict(data) == data.labels).mean()
    assert result.score(data) == result.score(data.images, data.labels)
    with pytest.raises(KShotValueError, match="`labels` are missing"):
        result.score(data.images)
    with pytest.raises(KShotValueError, match="`labels` must be one for each"):
        result.score(data.images, data.labels[:5])
    assert "plain" in repr(result)
    assert "<script" not in result._repr_html_()


def test_divergence_is_a_result_and_says_where():
    backbone, data = toy_backbone(), toy_data(3, 3)
    result = finetune(backbone, data, method="plain", config=CONFIG.but(lr=1e9, steps=40))
    assert result.diverged
    step = len(result.losses) - 1
    assert result.status == f"diverged at step {step}"
    assert 0 < step < 40
    assert not np.isfinite(result.losses[-1])
    assert set(result.predict(data)) == {data.classes[0]}


def test_no_steps_is_the_start():
    backbone, data = toy_backbone(), toy_data(3, 3)
    result = finetune(backbone, data, method="plain", config=CONFIG.but(steps=0))
    assert len(result.losses) == 1
    assert torch.equal(result.logits(data), torch.zeros(len(data), 3))


def test_support_as_a_pair_with_labels_of_any_type():
    backbone, data = toy_backbone(), toy_data(3, 3)
    for labels in (data.labels, data.targets + 10, list(data.labels)):
        result = finetune(backbone, (data.images, labels), method="plain", config=CONFIG)
        assert set(result.classes) == set(np.asarray(labels))


@pytest.mark.parametrize(
    ("support", "message"),
    [
        ((np.zeros((4, 8, 8, 1), np.uint8), ["a", "b", "a"]), "4 images but 3 labels"),
        ((np.zeros((2, 8, 8, 1), np.uint8), ["a", "a"]), "one class"),
        ("images", "must have"),
    ],
)
def test_bad_support(support, message):
    with pytest.raises(KShotError, match=message):
        finetune(toy_backbone(), support, method="plain")


def test_wrong_grouping_and_method():
    backbone, data = toy_backbone(), toy_data(3, 3)
    with pytest.raises(KShotError, match="another network"):
        finetune(backbone, data, grouping=Grouping({"conv": [0] * 5}))
    with pytest.raises(KShotError, match="needs `grouping="):
        finetune(backbone, data)
    with pytest.raises(KShotError, match="shares no gradients"):
        finetune(backbone, data, method="plain", grouping=Grouping.one_group(backbone))
    with pytest.raises(KShotError, match="must be one of"):
        finetune(backbone, data, method="planes")
    with pytest.raises(KShotError, match=r"layer_lr.*conv"):
        finetune(backbone, data, method="plain", config=FinetuneConfig(layer_lr={"cnv": 0.0}))


def test_neuron_gradients_match_finite_differences():
    backbone, data = toy_backbone(dtype=torch.float64), toy_data(3, 3)
    found = neuron_gradients(backbone, data, head_steps=5)
    assert {name: rows.shape for name, rows in found.items()} == {
        "conv": (6, 9 + 1 + 1 + 1),
        "deep": (8, 6 * 9 + 1),
    }
    warmed = finetune(backbone, data, method="head_only", config=FinetuneConfig(steps=5)).backbone
    inputs, targets = warmed.prepare(data.images), torch.from_numpy(data.targets)
    weight = warmed.tied_parameters("conv")["conv.bias"]

    def loss(step):
        with torch.no_grad():
            weight[2] += step
            value = F.cross_entropy(warmed.module(inputs), targets).item()
            weight[2] -= step
        return value

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    assert found["conv"][2, 9] == pytest.approx(slope, rel=1e-4, abs=1e-9)


def test_layer_lr_reaches_a_batch_norm_by_its_own_name():
    backbone, data = toy_backbone(), toy_data(3, 3)
    result = finetune(backbone, data, method="plain", config=CONFIG.but(layer_lr={"norm": 0}))
    assert {n for n in changed(result, backbone) if not n.startswith("head")} == {
        "conv.weight",
        "conv.bias",
        "deep.weight",
        "deep.bias",
    }
    with pytest.raises(KShotError, match="head_lr"):
        finetune(backbone, data, method="plain", config=CONFIG.but(layer_lr={"head": 0}))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["c0"] * 8 + ["q"], r"among the classes 'c0', 'c1', 'c2'; not 'q'"),
        ([0] * 9, "not 0"),
        ([-1] * 9, "not -1"),
        ([float("nan")] * 9, "9 that are missing"),
        ([None] * 9, "9 that are missing"),
        ([["c0"]] * 9, "must be a row"),
        ([["c0"], "c1"] * 4 + ["c1"], "must be a row"),
        ("c0", "must be a row"),
        (None, "`labels` are missing"),
        (["c0"] * 8, "one for each of the 9 images"),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels, message):
    data = toy_data(3, 3)
    result = finetune(toy_backbone(), data, method="plain", config=FinetuneConfig(steps=1))
    with pytest.raises(KShotValueError, match=message):
        result.score(data.images, labels)


def test_an_empty_batch_is_refused_everywhere():
    data = toy_data(3, 3)
    result = finetune(toy_backbone(), data, method="plain", config=FinetuneConfig(steps=1))
    nothing = data.take([])
    for call in (result.predict, result.predict_proba, result.logits):
        with pytest.raises(KShotValueError, match="empty batch"):
            call(nothing)
    with pytest.raises(KShotValueError, match="empty batch"):
        result.score(nothing, [])


def test_numbers_of_another_type_are_the_same_classes():
    data = toy_data(3, 3)
    pair = data.images, data.targets
    result = finetune(toy_backbone(), pair, method="plain", config=FinetuneConfig(steps=1))
    share = result.score(*pair)
    for kind in (np.int8, np.float64, object):
        assert result.score(data.images, data.targets.astype(kind)) == share


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_support_with_missing_labels_is_refused(missing):
    data = toy_data(3, 3)
    labels = np.array([0.0, 1.0, 2.0] * 3, dtype=object)
    labels[4] = missing
    for kind in (object, float):
        with pytest.raises(KShotValueError, match="1 that are missing"):
            finetune(toy_backbone(), (data.images, labels.astype(kind)), method="plain")
    mixed = np.array(["a", 1] * 4 + ["a"], dtype=object)
    with pytest.raises(KShotValueError, match="all names or all numbers"):
        finetune(toy_backbone(), (data.images, mixed), method="plain")


@pytest.mark.parametrize("turn", [lambda x: x[::-1], lambda x: x[:, ::-1], lambda x: x[:, :, ::-1]])
@pytest.mark.parametrize("floats", [False, True])
def test_arrays_read_backwards_work_wherever_images_do(turn, floats):
    data = toy_data(3, 3)
    whole = (data.images / 255.0).transpose(0, 3, 1, 2) if floats else data.images
    given, copied = turn(whole), turn(whole).copy()
    labels = data.labels[::-1] if given.strides[0] < 0 else data.labels
    found = []
    for images in (given, copied):
        result = finetune(toy_backbone(), (images, labels), method="plain", config=CONFIG)
        gradients = neuron_gradients(toy_backbone(), (images, labels))
        activations = kv.capture_activations(toy_backbone(), images)
        estimator = kv.KShotClassifier(toy_backbone(), method="grouped", steps=2).fit(
            images, labels
        )
        found.append(
            [
                result.logits(images).numpy(),
                np.array(result.score(images, labels)),
                *(np.asarray(activations[name]) for name in activations),
                *map(np.asarray, gradients.values()),
                estimator.predict_proba(images),
            ]
        )
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


def test_adam_in_half_precision_is_refused_before_it_divides_by_zero():
    backbone, data = toy_backbone(dtype=torch.float16), toy_data(2, 2)
    few = toy_data(2, 3)
    episodes = kv.sample_episodes(few, way=2, shot=1, query=1, n=1, val_share=0)
    for name in ("adam", "adamw"):
        config = FinetuneConfig(optimizer=name, lr=1e-4)
        with pytest.raises(KShotValueError, match=r"divides by zero in float16; use 'sgd'"):
            finetune(backbone, data, method="plain", config=config)
        with pytest.raises(KShotValueError, match="float16"):
            kv.evaluate(backbone, few, episodes, [kv.Candidate(None, config)])
    assert finetune(backbone, data, method="plain", config=FinetuneConfig(steps=1)).status == "ok"

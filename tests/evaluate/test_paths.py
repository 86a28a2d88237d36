"""Which path a candidate takes, what is computed together, and what the rows say of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fast_networks import EXPORTED, lively
from networks import toy_backbone, toy_data
from torch import nn

from kshot_viz.data.episodes import sample_episodes
from kshot_viz.errors import KShotError, KShotKeyError, KShotValueError
from kshot_viz.evaluate import chunk_size, job
from kshot_viz.evaluate.evaluate import evaluate
from kshot_viz.evaluate.fast.split import UntracedError
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.models.backbone import Backbone

CONFIG = FinetuneConfig(lr=0.02, steps=6)
HEAD, DEEP = {"conv": 0.0, "norm": 0.0, "deep": 0.0}, {"conv": 0.0, "norm": 0.0}


@pytest.fixture(scope="module")
def episodes(data):
    return sample_episodes(data, way=3, shot=2, query=5, n=2, val_share=0.4, seed=1)


def groupings(n):
    rng = np.random.default_rng(0)
    return [
        Grouping({"conv": rng.integers(0, 3, 6), "deep": rng.integers(0, 3, 8)}) for _ in range(n)
    ]


def candidates(n=5, **settings):
    return [Candidate(one, CONFIG.but(**settings)) for one in groupings(n)]


def close(first, second):
    """Equal rows but for rounding: all predictions, and the losses."""
    assert first.predicted.equals(second.predicted)
    np.testing.assert_allclose(first.support_loss, second.support_loss, rtol=1e-4)
    same = ["method", "episode", "steps", "candidate", "run", "status", "n_query", "spent"]
    assert first[same].equals(second[same])


@pytest.mark.parametrize(
    ("settings", "path"),
    [({}, "whole"), ({"layer_lr": DEEP}, "tail"), ({"layer_lr": HEAD}, "head")],
)
def test_the_row_says_how_much_was_computed_at_every_step(data, episodes, settings, path):
    rows = evaluate(toy_backbone(), data, episodes, candidates(**settings))
    assert set(rows.path) == {path}
    assert set(rows.chunk) == {5}
    close(rows, evaluate(toy_backbone(), data, episodes, candidates(**settings), path="loop"))


def test_the_reference_is_one_by_one(data, episodes):
    rows = evaluate(toy_backbone(), data, episodes, candidates(), path="loop")
    assert set(rows.path) == {"loop"}
    assert set(rows.chunk) == {1}


def test_mixed_candidates_come_back_in_order(data, episodes):
    mixed = [
        candidates(1)[0],
        Candidate(None, CONFIG, method="head_only"),
        Candidate(None, CONFIG.but(train_mode=True), name="noisy"),
        candidates(2, layer_lr=DEEP)[1],
        Candidate(GroupingRule(n_groups=0.5), CONFIG),
        Candidate(None, CONFIG.but(optimizer="adam", steps=3)),
        candidates(1)[0],
    ]
    rows = evaluate(toy_backbone(), data, episodes, mixed)
    assert list(rows.candidate) == [one.key for one in mixed] * len(episodes)
    assert list(rows.path[:7]) == ["whole", "head", "loop", "tail", "whole", "whole", "whole"]
    close(rows, evaluate(toy_backbone(), data, episodes, mixed, path="loop"))


def test_fast_is_refused_where_it_would_fall_back(data, episodes):
    noisy = Candidate(None, CONFIG.but(train_mode=True))
    with pytest.raises(
        KShotValueError, match="path='fast' is not possible for 'plain': with `train"
    ):
        evaluate(toy_backbone(), data, episodes, [noisy], path="fast")
    with pytest.raises(KShotKeyError, match="`path` must be one of 'auto', 'loop', 'fast'"):
        evaluate(toy_backbone(), data, episodes, [noisy], path="quick")


class Winding(nn.Module):
    """Looks at values to decide what to do, so it cannot be followed."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        x = torch.relu(self.conv(x)) if x.sum() > 0 else self.conv(x)
        return self.head(x.mean((2, 3)))


def test_a_network_that_cannot_be_followed_takes_the_loop(data, episodes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = Backbone(Winding(), head="head", example=torch.rand(2, 1, 8, 8))
    plain = [Candidate(None, CONFIG)]
    assert set(evaluate(backbone, data, episodes, plain).path) == {"loop"}
    with pytest.raises(KShotValueError, match="cannot be traced"):
        evaluate(backbone, data, episodes, plain, path="fast")


def test_what_is_traced_when_planned_and_not_in_its_job_takes_the_loop(data, episodes, monkeypatch):
    def untraced(*args):
        raise UntracedError

    several = [Candidate(None, CONFIG.but(lr=lr)) for lr in (0.01, 0.02)]
    expected = evaluate(toy_backbone(), data, episodes, several, path="loop")
    monkeypatch.setattr(job, "prepare_batch", untraced)
    rows = evaluate(toy_backbone(), data, episodes, several)
    assert set(rows.path) == {"loop"}
    assert set(rows.chunk) == {1}
    same = ["method", "episode", "lr", "accuracy", "support_loss"]
    assert rows[same].equals(expected[same])


def test_of_a_network_that_cannot_be_followed_heads_train_on_frozen_features(data, episodes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = Backbone(Winding(), head="head", example=torch.rand(2, 1, 8, 8))
    both = [
        Candidate(None, CONFIG),
        *(Candidate(None, CONFIG.but(head_lr=lr), method="head_only") for lr in (0.1, 0.3)),
    ]
    rows = evaluate(backbone, data, episodes, both)
    assert list(rows.path[:3]) == ["loop", "head", "head"]
    close(rows, evaluate(backbone, data, episodes, both, path="loop"))


@pytest.mark.parametrize("make", EXPORTED.values())
def test_of_a_network_that_only_export_can_follow_all_candidates_are_fast(data, episodes, make):
    backbone = lively(make, dtype=torch.float32)
    tried = [Candidate(None, CONFIG, m) for m in ("plain", "last_block", "head_only", "last_block")]
    rows = evaluate(backbone, data, episodes[:1], tried, path="fast")
    assert list(rows.path) == ["whole", "tail", "head", "tail"]
    close(rows, evaluate(backbone, data, episodes[:1], tried, path="loop"))


def test_a_network_that_is_not_the_groupings_is_refused(data, episodes):
    strange = Candidate(Grouping({"elsewhere": [0, 0]}), CONFIG)
    with pytest.raises(KShotError, match="elsewhere"):
        evaluate(toy_backbone(), data, episodes, [*candidates(), strange])


class LeNet(nn.Module):
    """Lays its features out with ``view``, which needs them row by row in memory."""

    def __init__(self, channels=1):
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3, padding=1)
        self.fc, self.head = nn.Linear(4 * 16, 8), nn.Linear(8, 3)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.conv(x)), 2)
        return self.head(torch.relu(self.fc(x.view(x.size(0), -1))))


@pytest.mark.parametrize("channels", [1, 3])
def test_networks_that_use_view_run_on_every_path(data, episodes, channels):
    shown = data if channels == 1 else toy_data(3, 24)
    colour = (lambda images: images.expand(-1, 3, -1, -1)) if channels == 3 else None
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = Backbone(
            LeNet(channels), head="head", example=torch.rand(2, channels, 8, 8), preprocess=colour
        )
    plain = [Candidate(None, CONFIG), Candidate(None, CONFIG, method="head_only")]
    fast = evaluate(backbone, shown, episodes, plain, path="fast")
    close(fast, evaluate(backbone, shown, episodes, plain, path="loop"))


class Scaled(nn.Module):
    """Depends on a plain number, which no list of weights shows."""

    def __init__(self, scale):
        super().__init__()
        self.scale, self.conv, self.head = scale, nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x) * self.scale).mean((2, 3)))


@pytest.mark.parametrize("executor", ["serial", "processes"])
@pytest.mark.parametrize("path", ["loop", "fast"])
def test_networks_that_look_alike_are_not_mixed_up(tmp_path, data, episodes, path, executor):
    def losses(scale, **more):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            backbone = Backbone(Scaled(scale), head="head", example=torch.rand(2, 1, 8, 8))
        plain = [Candidate(None, CONFIG.but(lr=0.5))]
        return list(evaluate(backbone, data, episodes[:1], plain, path=path, **more).support_loss)

    store = tmp_path / "rows.jsonl"
    first = losses(1.0, store=store, executor=executor, workers=1)
    second = losses(5.0, store=store, executor=executor, workers=1)
    assert first == losses(1.0) != second == losses(5.0)


def test_evaluate_may_be_called_without_gradients(data, episodes):
    plain = [Candidate(None, CONFIG)]
    with torch.inference_mode():
        rows = evaluate(toy_backbone(), data, episodes[:1], plain)
    assert rows.predicted.equals(evaluate(toy_backbone(), data, episodes[:1], plain).predicted)


def test_names_are_mixed_unless_asked_not_to_be(data, episodes):
    named = [
        Candidate(one.grouping, one.config, name=f"n{i % 2}") for i, one in enumerate(candidates())
    ]
    rows = evaluate(toy_backbone(), data, episodes[:1], named)
    assert set(rows.chunk) == {5}
    split = evaluate(toy_backbone(), data, episodes[:1], named, mix_names=False)
    assert sorted(split.chunk) == [2, 2, 3, 3, 3]


def test_an_episode_given_twice_is_done_once(tmp_path, data, episodes):
    store = tmp_path / "rows.jsonl"
    rows = evaluate(toy_backbone(), data, [episodes[0]] * 2, candidates(2), store=store)
    assert len(rows) == 4
    assert len(store.read_text().splitlines()) == 1


# ---- memory ------------------------------------------------------------------------------------


def test_a_cap_makes_smaller_chunks(data, episodes):
    whole = evaluate(toy_backbone(), data, episodes[:1], candidates(8))
    capped = evaluate(toy_backbone(), data, episodes[:1], candidates(8), max_memory=400_000)
    assert set(whole.chunk) == {8}
    assert set(capped.chunk) < {1, 2, 4}
    close(whole, capped)
    for cap in (0, -1, 1.5, True):
        with pytest.raises(KShotValueError, match="`max_memory` must be None or an integer >= 1"):
            evaluate(toy_backbone(), data, episodes[:1], candidates(), max_memory=cap)


def test_on_a_gpu_chunks_are_sized_by_its_memory(data, episodes, monkeypatch):
    monkeypatch.setattr(chunk_size, "gpu_bytes", lambda device: 2_000_000)
    small = evaluate(toy_backbone(), data, episodes[:1], candidates(8))
    monkeypatch.setattr(chunk_size, "gpu_bytes", lambda device: 10**12)
    large = evaluate(toy_backbone(), data, episodes[:1], candidates(80))
    assert set(small.chunk) < {1, 2, 4}
    assert set(large.chunk) == {80}
    assert chunk_size.MOST < 80 < chunk_size.MOST_ON_GPU


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")]
)
def test_what_does_not_fit_is_done_in_halves(data, episodes, monkeypatch, error):
    real = job.BatchRunner.__init__

    def small(self, cache, entries):
        if len(entries) > 2:
            raise error
        real(self, cache, entries)

    whole = evaluate(toy_backbone(), data, episodes[:1], candidates(8))
    monkeypatch.setattr(job.BatchRunner, "__init__", small)
    halved = evaluate(toy_backbone(), data, episodes[:1], candidates(8))
    assert set(halved.chunk) == {2}
    close(whole, halved)


def test_an_error_of_another_kind_is_not_swallowed(data, episodes, monkeypatch):
    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(job, "BatchRunner", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        evaluate(toy_backbone(), data, episodes[:1], candidates())


# ---- one candidate goes wrong ------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"layer_lr": DEEP}, {"layer_lr": HEAD}])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_only_the_candidate_that_diverges_is_lost(data, episodes, settings, optimizer):
    calm = candidates(4, optimizer=optimizer, **settings)
    wild = Candidate(
        groupings(1)[0], CONFIG.but(lr=1e38, head_lr=1e38, optimizer=optimizer, **settings)
    )
    rows = evaluate(toy_backbone(), data, episodes, [*calm[:2], wild, *calm[2:]], at_steps=(1, 6))
    alone = evaluate(toy_backbone(), data, episodes, calm, at_steps=(1, 6))
    lost = rows[rows.candidate == wild.key]
    assert lost[lost.steps == 6].status.str.fullmatch(r"diverged at step \d").all()
    assert lost[lost.steps == 6].accuracy.eq(1 / 3).all()
    close(rows[rows.candidate != wild.key].reset_index(drop=True), alone)


def test_all_candidates_may_diverge(data, episodes):
    wild = [Candidate(one, CONFIG.but(lr=1e38, head_lr=1e38)) for one in groupings(3)]
    rows = evaluate(toy_backbone(), data, episodes[:1], wild, at_steps=(0, 3, 6))
    assert rows[rows.steps == 0].status.eq("ok").all()
    assert rows[rows.steps == 6].status.str.startswith("diverged").all()

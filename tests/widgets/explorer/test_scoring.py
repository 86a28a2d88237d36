"""Scores of an explorer: settings and rules that came with the groups, stages, cancelling."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kshot_viz as kv
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotValueError
from kshot_viz.evaluate import executors
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.models.backbone import Backbone
from kshot_viz.widgets.explorer import scoring
from kshot_viz.widgets.explorer.group_explorer import GroupExplorer

Explore = Callable[..., GroupExplorer]
PATIENCE = 60
CONFIG = kv.FinetuneConfig(lr=0.1, head_lr=4.5, steps=8, layer_lr={"conv": 0.0, "deep": 0.3})
RULE = GroupingRule("support", n_groups=0.4)


@pytest.fixture
def ruled(explore: Explore, backbone: Backbone, data: ImageDataset, episodes: list[Episode]):
    """An explorer of groups that each episode's support forms."""
    support = episodes[0].split(data)[0]
    acts = kv.capture_activations(backbone, support)
    given = kv.Candidate(RULE, CONFIG, name="found")
    made = explore(
        episodes, data=data, grouping=given, images=support, activations=acts, config=None
    )
    yield made
    made.close()


def test_a_rule_forms_groups_in_each_episode_and_those_of_the_first_are_shown(
    ruled: GroupExplorer, backbone: Backbone, data: ImageDataset, episodes: list[Episode]
):
    support = episodes[0].split(data)[0]
    assert ruled.grouping == RULE.in_episode(backbone, support, name=episodes[0].name)
    rows = kv.evaluate(backbone, data, episodes, [kv.Candidate(RULE, CONFIG)])
    assert ruled.scores.frame()["accuracy"].tolist() == [rows["accuracy"].mean()]
    assert "too good" not in ruled.scores.note
    assert "the settings of 'found' (lr 0.1, head_lr 4.5, 8 steps, deep ×0.3, frozen: conv)" in (
        ruled.scores.note
    )


@pytest.mark.slow
def test_an_edited_layer_is_the_same_in_all_episodes_and_its_images_are_no_queries(
    ruled: GroupExplorer, backbone: Backbone, data: ImageDataset, episodes: list[Episode]
):
    first = ruled.grouping
    ruled.layer = "deep"
    assert ruled.wait(PATIENCE)
    ruled.select([0, 1, 5])
    ruled.edit("group")
    assert ruled.wait(PATIENCE)
    edited = RULE.edited(first, ruled.grouping)
    assert edited.unmade(backbone) == {"support"}
    assert edited.given is not None
    assert list(edited.given) == ["deep"]
    frame, shares = ruled.scores.frame(), []
    seen = set(episodes[0].support)
    for groups in (RULE, edited):
        rows = kv.evaluate(backbone, data, episodes, [kv.Candidate(groups, CONFIG)])
        hits = []
        for episode, predicted in zip(episodes, rows["predicted"], strict=True):
            targets = np.asarray(episode.split(data)[1].targets)
            counted = np.array([one not in seen for one in episode.query])
            right = np.asarray(predicted) == targets
            hits.append(np.mean([right[counted & (targets == k)].mean() for k in range(3)]))
        shares.append(float(np.mean(hits)))
        # Else this test could not tell whether queries are left out.
        assert shares[-1] != pytest.approx(rows["accuracy"].mean())
    assert frame["accuracy"].tolist() == pytest.approx(shares, abs=1e-12)
    left_out = sum(one in seen for episode in episodes for one in episode.query)
    assert left_out > 0
    assert frame["left_out"].tolist() == [left_out] * 2
    assert f"{left_out} queries that the edits were made by are left out" in ruled.scores.note


def test_a_rule_without_an_episode_and_a_candidate_without_groups_are_refused(
    explore: Explore, episodes: list[Episode], data: ImageDataset
):
    with pytest.raises(KShotValueError, match="Each episode's support forms these groups"):
        explore(grouping=RULE)
    with pytest.raises(KShotValueError, match="'plain' groups no neurons"):
        explore(episodes, data=data, grouping=kv.Candidate(None, CONFIG))
    with pytest.raises(KShotValueError, match="are query images of the episodes"):
        explore(episodes, data=data, grouping=GroupingRule("source"), images=data)


def test_every_episode_that_is_run_is_told(
    explore: Explore, data: ImageDataset, episodes: list[Episode]
):
    explorer, told = explore(episodes, data=data), []
    explorer.scores.status.observe(lambda change: told.append(change["new"]), "value")
    explorer.select([0, 1])
    explorer.edit("group")
    assert explorer.wait(PATIENCE)
    for number in (1, 2, 3):
        assert any(f"Fine-tuning, edited: episode {number} of 3" in one for one in told)


def test_a_closed_explorer_ends_its_scoring(
    explore: Explore, data: ImageDataset, episodes: list[Episode], monkeypatch: pytest.MonkeyPatch
):
    begun, may, run = threading.Event(), threading.Event(), executors.run_job
    ran: list[Any] = []

    def held(job: Any) -> Any:
        ran.append(job)
        begun.set()
        assert may.wait(PATIENCE)
        return run(job)

    explorer = explore(episodes, data=data)
    monkeypatch.setattr(executors, "run_job", held)
    explorer.select([0, 1])
    explorer.edit("group")
    assert begun.wait(PATIENCE)
    explorer.close()
    may.set()
    assert explorer.scores.background.wait(PATIENCE)
    assert len(ran) == 1
    assert explorer.scores.frame()["name"].tolist() == ["as given"]
    explorer.scores.score()
    assert not explorer.scores.background.busy


@pytest.mark.slow
def test_slow_scores_are_made_at_the_press_of_the_button_only(
    explore: Explore, data: ImageDataset, episodes: list[Episode], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(scoring, "_SLOW", -1.0)
    explorer = explore(episodes, data=data)
    assert not explorer.scores.always.value
    assert "edits are not scored by themselves any more" in explorer.scores.status.value
    explorer.select([0, 1])
    explorer.edit("group")
    assert explorer.wait(PATIENCE)
    assert explorer.scores.frame()["name"].tolist() == ["as given"]
    assert "The groups changed since" in explorer.scores.status.value
    # Whoever ticks it again means it.
    explorer.scores.always.value = True
    explorer.edit("undo")
    explorer.edit("redo")
    assert explorer.wait(PATIENCE)
    assert explorer.scores.always.value
    assert explorer.scores.frame()["name"].tolist() == ["as given", "edited"]


def test_a_cold_start_does_not_count_as_slow():
    assert scoring._seconds([0.0, 9.0, 10.0, 11.0], cold=True) == 3.0
    assert scoring._seconds([0.0, 9.0], cold=True) == 0.0
    assert scoring._seconds([0.0, 2.0, 3.0], cold=False) == 3.0


def test_frozen_layers_are_shown_as_frozen(
    explore: Explore, data: ImageDataset, episodes: list[Episode]
):
    explorer = explore(episodes, data=data, config=CONFIG)
    assert list(explorer.controls.layer.options) == [
        ("conv (frozen)", "conv"),
        ("deep (step ×0.3)", "deep"),
    ]
    assert explorer.similarity.caption[0] == "Similarity in conv, 3 groups, frozen"
    explorer.layer = "deep"
    assert explorer.wait(PATIENCE)
    assert explorer.similarity.caption[0].endswith("step ×0.3")


def test_another_setting_freezes_other_layers(
    explore: Explore, data: ImageDataset, episodes: list[Episode]
):
    explorer = explore(episodes, data=data, config=CONFIG, layer="deep")
    explorer.select([1])
    explorer.controls.use({"conv": 1.0, "deep": 0.0})
    assert list(explorer.controls.layer.options) == [("conv", "conv"), ("deep (frozen)", "deep")]
    assert (explorer.layer, explorer.controls.layer.value) == ("deep", "deep")
    assert explorer.map.selected.tolist() == [1]
